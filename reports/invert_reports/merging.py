"""`invert report A B C --out DIR`: finished reports, put together on one page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from invert.errors import RequestError
from invert.files import lies_in, read_regular, write_json, write_whole
from invert.pictures import BYTE_LIMIT
from invert.report import (
    REPORT,
    LayerRow,
    Origin,
    Record,
    RecordFiles,
    Report,
    ReportedPhoto,
    ScoredPhoto,
    Source,
    read_report,
)
from invert.typed_json import read, to_json
from invert_reports.files import inside
from invert_reports.html.page import write_page


def merge(directories: Sequence[Path], out: Path) -> Path:
    """Merge reports into `out`, copying what they name, and write its page; returns the page's path.

    A run's id, and its folder, is prefixed by the name of the folder it came from; the runs of a merged
    report keep the prefixes that they have. Photos with the same pixels become one. A single report
    merged into its own folder only has its page written anew.
    """
    folders = [Path(directory) for directory in directories]
    out = Path(out)
    if not folders:
        raise RequestError("nothing to merge: give at least one folder that holds a report")
    reports = [read_report(folder) for folder in folders]
    if [folder.resolve() for folder in folders] == [out.resolve()]:
        return write_page(out)
    for folder, report in zip(folders, reports, strict=True):
        if report.headline is not None:
            raise RequestError(f"{folder} holds restored pictures, which have a page of their own")
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise RequestError(f"cannot merge into {out}: it is one of the reports to merge; give another --out")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RequestError("cannot merge a report with itself: each folder can be given once")
    _clear(out)

    parts = _parts(folders, reports)
    merged = _frame(reports, parts)
    copies = _Copies(out)
    photos = _merge_photos(parts, merged, copies)
    for part in parts:
        _merge_part(
            part, merged, copies, {ident: new for (f, ident), new in photos.items() if f == part.folder}
        )
    write_json(out / REPORT, to_json(merged))
    return write_page(out)


@dataclass(frozen=True)
class _Part:
    """What a report holds of one source: itself, where it was not merged before."""

    folder: Path
    report: Report
    name: str
    """The source's name in the merged report, with which its runs' ids begin."""
    before: str | None
    """Its name in `report`, None where that was not merged or does not say."""
    source: Source

    def holds(self, entry: Record | LayerRow) -> bool:
        known = {source.name for source in self.report.sources}
        return (entry.source if entry.source in known else None) == self.before

    def owns(self, photo: ReportedPhoto) -> bool:
        """Whether the photo goes by this source; one that goes by none, by the first."""
        names = [source.name for source in self.report.sources]
        owners = [name for name in names if photo.id.startswith(f"{name}-")]
        return self.before == next(iter([*owners, *names]), None)

    def renamed(self, ident: str) -> str:
        """An id with the source's name before it, once."""
        return f"{self.name}-{ident.removeprefix(f'{self.before}-')}"


def _parts(folders: Sequence[Path], reports: Sequence[Report]) -> list[_Part]:
    """The sources of all reports, with names that differ; a merged report has those it was merged from."""
    found: list[_Part] = []
    for folder, report in zip(folders, reports, strict=True):
        own = {part.name: getattr(report, part.name) for part in fields(Origin)}
        here = [
            _Part(folder, report, _slug(source.name), source.name, source)
            for source in {source.name: source for source in reversed(report.sources)}.values()
        ][::-1]
        rest = _Part(folder, report, _slug(folder.resolve().name), None, Source(**own))
        if not report.sources:
            here = [rest]
        elif any(map(rest.holds, [*report.runs, *report.controls])):
            # Nobody knows of which network they are.
            here.append(replace(rest, source=Source(status=report.status)))
        found += here
    names = _unique([part.name for part in found])
    return [
        replace(part, name=name, source=replace(part.source, name=name))
        for part, name in zip(found, names, strict=True)
    ]


def _frame(reports: Sequence[Report], parts: Sequence[_Part]) -> Report:
    """The fields above the runs: the first report's, with every source's own under `sources`."""
    statuses = [report.status for report in reports]
    worst = next((status for status in ("running", "interrupted", "failed") if status in statuses), "done")
    return replace(
        reports[0],
        status=worst,
        sources=[part.source for part in parts],
        skipped=list({(one.name, one.reason): one for r in reports for one in r.skipped}.values()),
        images=[],
        measures={},
        runs=[],
        controls=[],
        layers=[],
    )


def _merge_photos(parts: Sequence[_Part], merged: Report, copies: _Copies) -> dict[tuple[Path, str], str]:
    """Copy the photos, each once by its digest; returns their ids by the folder and id they had."""
    of_digest: dict[object, str] = {}
    found = {}
    for part in parts:
        for photo in filter(part.owns, part.report.images):
            digest = photo.sha256 or (part.folder, photo.id)
            if digest not in of_digest:
                of_digest[digest] = copies.unique(part.renamed(photo.id))
                name = part.renamed(Path(photo.file or "").name)
                file = copies.of(part, photo.file, f"images/{name}")
                merged.images.append(replace(photo, id=of_digest[digest], file=file))
            found[part.folder, photo.id] = of_digest[digest]
    return found


def _merge_part(part: _Part, merged: Report, copies: _Copies, of_photos: Mapping[str, str]) -> None:
    """Take what a part holds into the merged report."""
    runs, controls = filter(part.holds, part.report.runs), filter(part.holds, part.report.controls)
    ids: dict[str, list[str]] = {}
    for entries, into in ((runs, merged.runs), (controls, merged.controls)):
        for run in entries:
            entry = _copy_run(run, part, copies, of_photos)
            ids.setdefault(run.id, []).append(entry.id)
            into.append(entry)
    merged.layers += [
        replace(
            row,
            source=part.name,
            runs=[new for old in dict.fromkeys(row.runs) for new in ids.get(old, [])],
            by_photo={of_photos.get(photo, photo): numbers for photo, numbers in row.by_photo.items()},
            codes={of_photos.get(photo, photo): numbers for photo, numbers in row.codes.items()},
        )
        for row in filter(part.holds, part.report.layers)
    ]
    merged.measures = {**part.report.measures, **merged.measures}


def _copy_run(run: Record, part: _Part, copies: _Copies, of_photos: Mapping[str, str]) -> Record:
    """Copy the files that a run names, and its record; returns its entry in the merged report."""
    ident = copies.unique(part.renamed(run.id))
    own = f"runs/{run.id}/"

    def moved(path: str) -> str:
        return f"runs/{ident}/{path.removeprefix(own) if path.startswith(own) else Path(path).name}"

    def copied(named: Any) -> Any:
        if isinstance(named, dict):
            return {key: value if key == "step" else copied(value) for key, value in named.items()}
        if isinstance(named, list):
            return [copied(value) for value in named]
        return copies.of(part, named, moved(named)) if isinstance(named, str) else None

    def shown(photo: ScoredPhoto) -> ScoredPhoto:
        name = part.renamed(Path(photo.file or "").name)
        return replace(photo, file=copies.of(part, photo.file, f"photos/{name}"))

    entry = replace(
        run,
        id=ident,
        source=part.name,
        image=None if run.image is None else of_photos.get(run.image, run.image),
        files=read(RecordFiles, copied(to_json(run.files))),
    )
    if run.photos is not None:
        highest, lowest = map(shown, run.photos.highest), map(shown, run.photos.lowest)
        entry.photos = replace(run.photos, highest=list(highest), lowest=list(lowest))
    if entry.files.record is not None:
        write_json(copies.out / entry.files.record, to_json(entry))
    return entry


class _Copies:
    """What was copied into a folder, and the ids given out there: no two files and no two runs share one."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._ids: set[str] = set()
        self._files: dict[str, Path] = {}

    def unique(self, ident: str) -> str:
        """`ident`, numbered where it was given out before, whatever the case of its letters."""
        found, count = ident, 1
        while found.casefold() in self._ids:
            count += 1
            found = f"{ident}-{count}"
        self._ids.add(found.casefold())
        return found

    def of(self, part: _Part, name: str | None, target: str) -> str | None:
        """Copy one file that a report names; None where it is missing, too large, or outside the report."""
        file = inside(part.folder, name)
        if file is None:
            return None
        wanted = Path(target)
        path, count = wanted, 1
        while self._files.setdefault(path.as_posix().casefold(), file) != file:
            count += 1
            path = wanted.with_name(f"{wanted.stem}-{count}{wanted.suffix}")
        if not lies_in(self.out, self.out / path):
            return None
        try:
            content = read_regular(file, BYTE_LIMIT)
        except OSError:
            return None
        return write_whole(self.out / path, content).relative_to(self.out).as_posix()


def _clear(out: Path) -> None:
    """Make room: `out` may be new, empty, or hold an earlier merge, whose runs and photos are removed."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise RequestError(f"cannot merge into {out}: it is a file; --out names a folder")
    if not (out / REPORT).is_file() or not read_report(out).sources:
        raise RequestError(
            f"cannot merge into {out}: it holds something else; --out names a new or empty folder"
        )
    for name in ("runs", "images", "photos"):
        if not lies_in(out, out / name):
            raise RequestError(f"cannot merge into {out}: {name} in it leads out of it; give another --out")
    earlier = read_report(out)
    for run in [*earlier.runs, *earlier.controls]:
        if re.fullmatch(r"\w[\w.@,+-]*", run.id):
            shutil.rmtree(out / "runs" / run.id, ignore_errors=True)
    for photo in earlier.images:
        file = inside(out, photo.file)
        if file is not None:
            file.unlink()


def _slug(name: str) -> str:
    """A folder's name as a prefix; without a dash, so that where the prefix ends is never in doubt."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "report"


def _unique(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        unique, count = name, 2
        while unique in found:
            unique, count = f"{name}_{count}", count + 1
        found.append(unique)
    return found
