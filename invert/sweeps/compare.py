"""What changed in what is kept, between two networks or two checkpoints of one, and what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from invert.errors import RequestError
from invert.measures.noise import Parts
from invert.report import LayerRow, ReportedMeasure
from invert.sweeps.codes import code_change
from invert.sweeps.intervals import LARGEST, Noise, noise_of_photos, noise_of_seeds, stand_out
from invert.sweeps.sides import PhotoPair, Side, paired_photos
from invert.typed_json import to_json

Interval = tuple[float, float]


@dataclass
class Change:
    """A number in A and in B.

    `noise` is what other seeds alone would do to the change, on these photos; `over_photos` what other
    photos would, too. None where it cannot be told.
    """

    name: str
    a: float | None
    b: float | None
    better: str = "neither"
    is_share: bool = False
    noise: Noise | None = None
    over_photos: Noise | None = None
    beyond_noise: bool = False

    @property
    def change(self) -> float | None:
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def shown(self) -> tuple[float | None, float | None]:
        """A and B as people read them: estimates of shares may lie a little outside of 0 to 1."""
        a, b = (min(max(v, 0.0), 1.0) if self.is_share and v is not None else v for v in (self.a, self.b))
        return a, b

    @property
    def interval(self) -> Interval | None:
        return _around(self.change, self.noise)

    @property
    def p(self) -> float:
        """How likely noise alone is to make as large a change; 1 where it is rounding or not known."""
        if self.change is None or self.noise is None or abs(self.change) <= _rounding(self.a):
            return 1.0
        return self.noise.p(self.change)

    @property
    def worse(self) -> bool:
        return self.change is not None and self.change * (1 if self.better == "lower" else -1) > 0

    @property
    def is_looked_at(self) -> bool:
        """Whether it may be marked as a loss or a gain.

        It has a better direction, it is not what the other shares leave over, and it tells of the layer:
        the feature error tells how far the runs came, and the network's own classes what lies above.
        """
        told_elsewhere = ("feature_error", "same_top1", "class_divergence")
        left_over = self.name.startswith("invented.")
        return self.better != "neither" and not left_over and self.name not in told_elsewhere


@dataclass
class ComparedRow:
    """A layer and prior in A and in B."""

    a: LayerRow
    b: LayerRow
    photos: int
    seeds: tuple[int, int]
    changes: dict[str, Change]
    code_change: float | None = None
    """‖Φ_B − Φ_A‖² / ‖Φ_A‖² of the photos themselves; None where the codes have not one shape."""

    @property
    def name(self) -> str:
        same = self.a.layer == self.b.layer
        return self.a.layer if same else f"{self.a.layer} = {self.b.layer}"

    def as_json(self) -> dict[str, Any]:
        known = {name: c for name, c in self.changes.items() if c.change is not None}
        return {
            "layer": self.a.layer,
            "layer_b": self.b.layer,
            "prior": self.a.prior,
            "photos": self.photos,
            "seeds": self.seeds[0],
            "seeds_b": self.seeds[1],
            "code_change": self.code_change,
            "a": {name: c.a for name, c in self.changes.items()},
            "b": {name: c.b for name, c in self.changes.items()},
            "change": {name: c.change for name, c in known.items()},
            "interval": {name: c.interval and list(c.interval) for name, c in known.items()},
            "floor": {name: c.noise and c.noise.half_width() for name, c in known.items()},
            "over_photos": {n: (i := _around(c.change, c.over_photos)) and list(i) for n, c in known.items()},
            "beyond_noise": [name for name, c in known.items() if c.beyond_noise],
            "worse": [name for name, c in known.items() if c.worse],
            "runs_a": self.a.runs,
            "runs_b": self.b.runs,
            "reading_a": self.a.reading,
            "reading_b": self.b.reading,
        }


@dataclass
class Comparison:
    """Two runs side by side. `missing` are the rows, in words, that one of them lacks."""

    a: Side
    b: Side
    photos: list[PhotoPair]
    rows: list[ComparedRow]
    missing: list[tuple[LayerRow, str]] = field(default_factory=list)

    @property
    def looked_at(self) -> list[tuple[ComparedRow, Change]]:
        """All numbers that could be marked, and whose noise is known."""
        return [
            (row, change)
            for row in self.rows
            for change in row.changes.values()
            if change.is_looked_at and change.noise is not None
        ]

    def as_json(self) -> dict[str, Any]:
        a, b = self.a.report, self.b.report
        return {
            "schema": 1,
            "a": {"subject": to_json(a.network), "command": a.command},
            "b": {"subject": to_json(b.network), "command": b.command},
            "tool": a.tool,
            "images": [to_json(photo) for photo, _ in self.photos],
            "images_b": [to_json(photo) for _, photo in self.photos],
            "measures": {name: to_json(about) for name, about in {**b.measures, **a.measures}.items()},
            "missing": [{"layer": r.layer, "prior": r.prior, "in": side} for r, side in self.missing],
            "rows": [row.as_json() for row in self.rows],
        }


def compare(a: Side, b: Side, pairs: Mapping[str, str] | None = None) -> Comparison:
    """The rows that two runs share, each number's change from A to B, and what of it is beyond noise.

    Layers go by name; `pairs` maps a layer of A to the layer of B it is set against, and where it does
    not name `all`, no other layer is compared. Changes are marked as beyond noise so that where nothing but
    the seeds differs, one comparison in twenty has any. Raises `RequestError` where the photos
    differ, or no layer and prior is in both.
    """
    pairs = dict(pairs or {"all": "all"})
    photos = paired_photos(a, b)
    wanted = [row for row in a.report.layers if "all" in pairs or row.layer in pairs]
    of_b = {(row.layer, row.prior): row for row in b.report.layers}
    twins = [(row, of_b.get((pairs.get(row.layer, row.layer), row.prior))) for row in wanted]
    rows = [_row(a, row, b, twin, photos) for row, twin in twins if twin is not None]
    if not rows:
        names = [", ".join(dict.fromkeys(row.layer for row in s.report.layers)) or "none" for s in (a, b)]
        raise RequestError(
            f"no layer and prior is in both: A has {names[0]}; B has {names[1]} (pair with --layer A=B)"
        )
    paired = {(twin.layer, twin.prior) for _, twin in twins if twin is not None}
    missing = [(row, "B") for row, twin in twins if twin is None]
    if "all" in pairs:
        missing += [(row, "A") for key, row in of_b.items() if key not in paired]
    comparison = Comparison(a, b, photos, rows, missing)
    looked_at = comparison.looked_at
    for (_, change), stands_out in zip(looked_at, stand_out([c.p for _, c in looked_at]), strict=True):
        change.beyond_noise = stands_out
    return comparison


def _row(a: Side, row_a: LayerRow, b: Side, row_b: LayerRow, photos: list[PhotoPair]) -> ComparedRow:
    parts = [
        side.parts(row, [pair[n] for pair in photos])
        for n, (side, row) in enumerate(((a, row_a), (b, row_b)))
    ]
    same_seeds = a.seeds(row_a) == b.seeds(row_b)
    changes = {}
    for name in dict.fromkeys([*row_a.measures, *row_b.measures]):
        about = a.report.measures.get(name) or a.report.measures.get(name.partition(".")[0])
        change = _change(name, row_a, row_b, about or ReportedMeasure())
        if change.change is not None and name in parts[0] and name in parts[1]:
            _add_noise(change, parts[0][name], parts[1][name], same_seeds)
        changes[name] = change
    codes = [(row_a.codes.get(x.id, []), row_b.codes.get(y.id, [])) for x, y in photos]
    code = code_change(codes) if row_a.shape == row_b.shape else None
    return ComparedRow(row_a, row_b, len(photos), (row_a.seeds, row_b.seeds), changes, code)


def _change(name: str, a: LayerRow, b: LayerRow, about: ReportedMeasure) -> Change:
    values = [row.measures.get(name) for row in (a, b)]
    known = [value if value is not None and abs(value) < LARGEST else None for value in values]
    return Change(name, known[0], known[1], better=about.better, is_share="share" in about.unit)


def _add_noise(change: Change, a: Parts, b: Parts, same_seeds: bool) -> None:
    """Paired over photos, and over seeds where both sides have the same."""
    paired = same_seeds and a.seeds.shape == b.seeds.shape
    noise = noise_of_seeds(b.seeds - a.seeds) if paired else noise_of_seeds(a.seeds) + noise_of_seeds(b.seeds)
    if noise.variance == 0 and abs(change.change or 0.0) > _rounding(change.a):
        # All seeds agree, as they can where a number is 0 or 1: as if one inversion of each side had
        # come out as the other's, about what an exact test of exchanged inversions says.
        count = min(a.seeds.numel(), b.seeds.numel())
        noise = Noise(2 * ((change.change or 0.0) / count) ** 2, noise.freedom)
    change.noise = noise
    between = b.photos - a.photos if a.photos.shape == b.photos.shape else None
    if between is not None and len(between) > 1 and bool(between.isfinite().all()):
        photos = noise_of_photos(between)
        change.over_photos = photos if photos.variance > noise.variance else noise


def _rounding(number: float | None) -> float:
    return 1e-9 * (1 + abs(number or 0.0))


def _around(change: float | None, noise: Noise | None) -> Interval | None:
    if change is None or noise is None:
        return None
    width = noise.half_width()
    return change - width, change + width
