"""A large report as an overview and pages of details: each of a size that a browser opens at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from invert.files import slug
from invert.report import LayerRow, Record, Report, ReportedPhoto

FOLDER = "pages"
WHOLE = 400
"""Runs up to which a report is one page; and of each page of details."""
SHOWN = 200
"""Runs on an overview."""

Key = Callable[[Record], str]


@dataclass(frozen=True)
class Part:
    """A page of details: its file in `FOLDER`, what it is of, and a report of that alone."""

    file: str
    title: str
    report: Report

    @property
    def complete(self) -> bool:
        """Whether nothing can come to it, as far as it shows."""
        photos = len(self.report.images) if self.report.layers else len({r.target for r in self.report.runs})
        priors, seeds = ({getattr(r, name) for r in self.report.runs} for name in ("prior", "seed"))
        return len(self.report.runs) == photos * len(priors) * len(seeds)


def is_large(report: Report) -> bool:
    return len(report.runs) > WHOLE and report.headline is None  # a picture that is restored is one place


def overview(report: Report) -> Report:
    """The whole report with some of its runs: of the photos that rows name as best and worst, and others."""
    inversions = [run for run in report.runs if run.objective == "feature"]
    others = [run for run in report.runs if run.objective != "feature"]
    rows = {(run.source, run.layer, run.prior) for run in inversions}
    seeds = sorted({run.seed for run in inversions})
    room = max(SHOWN // max(len(rows), 1), 1) if not others else max(SHOWN // 2 // max(len(rows), 1), 1)
    kept_seeds = set(seeds[: max(room, 1)])
    photos = _photos(report, max(room // max(len(kept_seeds), 1), 1))
    chosen = [run for run in inversions if run.image in photos and run.seed in kept_seeds]
    drawn = others[: max(SHOWN - len(chosen), 1)]
    shown = {id(run) for run in (*chosen, *drawn)}
    return _part(report, [run for run in report.runs if id(run) in shown], photos)


def left_out(report: Report, shown: Report) -> str:
    """What an overview does not show, in words."""
    few, all_photos = len(shown.images), len(report.images)
    photos = f", {few} of {all_photos} photos" if few < all_photos else ""
    return (
        f"This overview shows pictures of {len(shown.runs):,} of {len(report.runs):,} runs{photos}; the "
        "charts and the table of layers are of whole rows. Every run is on one of these pages:"
    )


def parts(report: Report) -> list[Part]:
    """The pages that hold every run: a layer's photos, or targets, as many to a page as it takes."""
    found: list[Part] = []
    inversions = [run for run in report.runs if run.objective == "feature"]
    for layer, runs in _grouped(inversions, lambda run: run.layer or ""):
        for photos in _blocks(runs, lambda run: run.image or ""):
            title = _title(layer, [photo.name for photo in report.images if photo.id in photos], runs, photos)
            mine = [run for run in runs if (run.image or "") in photos]
            found.append(Part(_file(layer, found), title, _part(report, mine, photos, layer)))
    others = [run for run in report.runs if run.objective != "feature"]
    for targets in _blocks(others, _target):
        mine = [run for run in others if _target(run) in targets]
        names = list(targets)
        title = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        found.append(Part(_file("targets", found), title, _part(report, mine, {}, "")))
    return found


def stand(report: Report) -> Iterator[Hashable]:
    """What tells a report of a run under way from that of a moment ago."""
    for run in report.runs:
        yield run.id, run.sha256, run.error, run.stopped, run.match and run.match.enough
    for row in report.layers:
        yield row.prior, row.photos, row.photos_there, row.error, row.reading, len(row.by_photo)
        yield tuple(row.controls)


def _photos(report: Report, most: int) -> dict[str, None]:
    """The photos of an overview: the first, the best and worst of rows, and others evenly between."""
    there = [photo.id for photo in report.images]
    named = there[:1]
    rankings = [row.ranking for row in report.layers if row.ranking is not None]
    for n in range(3):
        for ranking in rankings:
            named += ranking.best[n : n + 1] + ranking.worst[n : n + 1]
    even = [there[n * len(there) // most] for n in range(min(most, len(there)))]
    chosen = set(list(dict.fromkeys([*named, *even]))[:most])
    return dict.fromkeys(photo for photo in there if photo in chosen)


def _part(report: Report, runs: list[Record], photos: Iterable[str], layer: str | None = None) -> Report:
    """The report of these runs and photos alone; of the rows of one layer, or of all."""
    wanted = set(photos)
    images: list[ReportedPhoto] = [photo for photo in report.images if photo.id in wanted]
    layers: list[LayerRow] = [
        replace(row, codes={}, by_photo={i: part for i, part in row.by_photo.items() if i in wanted})
        for row in report.layers
        if layer in (None, row.layer)
    ]
    return replace(report, runs=runs, images=images, layers=layers, controls=[])


def _grouped(runs: Iterable[Record], key: Key) -> list[tuple[str, list[Record]]]:
    found: dict[str, list[Record]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return list(found.items())


def _blocks(runs: Sequence[Record], key: Key) -> list[dict[str, None]]:
    """Names in blocks of which each has at most `WHOLE` runs, if one name alone does not have more."""
    blocks: list[dict[str, None]] = []
    held = WHOLE
    for name, members in _grouped(runs, key):
        if held + len(members) > WHOLE:
            blocks.append({})
            held = 0
        blocks[-1][name] = None
        held += len(members)
    return blocks


def _target(run: Record) -> str:
    return f"{run.layer}:{run.target}" if run.layer else run.target or ""


def _title(layer: str, names: list[str], runs: list[Record], photos: dict[str, None]) -> str:
    if len(photos) == len({run.image for run in runs}):
        return layer
    return f"{layer}: {names[0]} to {names[-1]}" if len(names) > 1 else f"{layer}: {names[0]}"


def _file(name: str, before: list[Part]) -> str:
    taken = {part.file.casefold() for part in before}
    stem, count = slug(name), 1
    while f"{stem}-{count}.html".casefold() in taken:
        count += 1
    return f"{stem}-{count}.html"
