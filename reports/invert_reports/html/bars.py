"""The bars beside a picture: what that photo's inversions keep, and beside it the share over all photos."""

from __future__ import annotations

from dataclasses import dataclass

from invert.report import LayerRow, Numbers, RowMatch
from invert_reports.html.numbers import (
    SHARES,
    band_of,
    facet_label,
    facets,
    give_or_take,
    in_order,
    percent,
    share,
)

FLOOR = "another photo"
"""The control that a bar's tick shows: what is kept under another photo's code."""
ALIKE = "the same every time"
"""What is invented under a prior that prefers no image to another."""


@dataclass(frozen=True)
class Bar:
    """One facet: shares of what is shown, and the tick of the control."""

    facet: str
    first_band: bool
    shares: list[float | None]
    floor: float | None
    faint: bool
    told: str

    @property
    def label(self) -> str:
        return band_of(self.facet) or self.facet

    @property
    def spoken(self) -> str:
        return facet_label(self.facet)

    @property
    def kept(self) -> str:
        return share(self.shares[0])


@dataclass(frozen=True)
class Bars:
    """The bars and the sentence of one photo; of the row where the report holds no photos' own."""

    photo: str | None
    rows: list[Bar]
    reading: str
    pooled: str = ""
    """The row's own sentence, over all photos."""
    unmatched: bool = False
    """Whether the layer was not matched well enough for them to be read."""


def bars(row: LayerRow) -> list[Bars]:
    """A photo's bars each, or the row's own."""
    if not row.by_photo:
        rows = _rows(row, row.measures)
        told = Bars(None, rows, row.reading or "", unmatched=is_unmatched(row.match))
        return [told] if rows or row.reading else []
    return [
        Bars(
            photo,
            _rows(row, part.measures),
            part.reading or "",
            _over_all(row, part.reading or ""),
            is_unmatched(part.match),
        )
        for photo, part in row.by_photo.items()
    ]


def is_unmatched(match: RowMatch | None) -> bool:
    return match is not None and not match.enough


def over(row: LayerRow) -> str:
    """What a row's own numbers are pooled over."""
    seeds = f"{row.seeds} seed{'' if row.seeds == 1 else 's'}" if row.seeds else ""
    return ", ".join(part for part in (_photos(row), seeds) if part)


def _photos(row: LayerRow) -> str:
    if row.photos_there is not None:
        return f"{row.photos} of {row.photos_there} photos"
    return f"{row.photos} photo{'' if row.photos == 1 else 's'}" if row.photos else ""


def is_pooled(row: LayerRow) -> bool:
    """Whether a row's numbers are of more photos than one."""
    return row.photos > 1


def _over_all(row: LayerRow, reading: str) -> str:
    """The row's sentence beside a photo's, if it says anything else."""
    if not is_pooled(row) or not row.reading:
        return ""
    same = row.reading.partition(" (")[0] == reading.partition(" (")[0]
    return f"The same over {_photos(row)}." if same else f"Over all: {row.reading}"


def _rows(row: LayerRow, measures: Numbers) -> list[Bar]:
    # A facet in which this photo's inversions show nothing keeps its line, so that all photos have the same.
    known = in_order({*facets(row.measures), *facets(measures)})
    bands = [facet for facet in known if band_of(facet)]
    floor = row.controls.get(FLOOR, {})
    return [
        Bar(
            facet=facet,
            first_band=facet in bands[:1],
            shares=[measures.get(f"{name}.{facet}") for name in SHARES],
            floor=floor.get(f"kept.{facet}"),
            faint=(measures.get(f"shown.{facet}") or 0.0) < 0.05,
            told=_told(row, measures, floor, facet),
        )
        for facet in known
    ]


def _told(row: LayerRow, measures: Numbers, floor: Numbers, facet: str) -> str:
    """All that a bar shows, in words."""
    if measures.get(f"kept.{facet}") is None:
        return "nothing shown"
    called = ("kept", ALIKE if row.neutral else "invented", "free")
    parts = [measures.get(f"{name}.{facet}") for name in SHARES]
    told = ", ".join(f"{name} {share(part)}" for name, part in zip(called, parts, strict=True))
    contrast = measures.get(f"shown.{facet}")
    if contrast is not None:
        told += f"; contrast shown {percent(contrast)} of the photo’s"
    if floor.get(f"kept.{facet}") is not None:
        told += f"; kept under another photo’s code {share(floor[f'kept.{facet}'])}"
    if is_pooled(row):
        told += f"; kept over {over(row)}: {_pooled(row, facet)}"
    return told


def _pooled(row: LayerRow, facet: str) -> str:
    """Kept over all photos, with its standard deviation over them."""
    return give_or_take(row.measures.get(f"kept.{facet}"), row.spread.get(f"kept.{facet}"))
