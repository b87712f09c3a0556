"""What each inversion, and each photo, adds to the numbers of a row: the raw stuff of their noise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from invert import registry
from invert.foreign import is_end
from invert.measures.decomposition import Decomposition, Energy, energies, shares
from invert.measures.evidence import RowEvidence
from invert.measures.measure import Numbers, RowMeasure


@dataclass(frozen=True)
class Parts:
    """What a number owes to each inversion, `seeds` `(P, K)`, and to each photo, `photos` `(P,)`.

    To first order: `seeds` sums to 0 over the seeds of a photo, and a number from other seeds would
    differ by the mean of as many draws from each line, summed over photos. `photos` is how each
    photo's own number differs from their mean, weighted as it counts.
    """

    seeds: Tensor
    photos: Tensor


def parts_of_mean(values: Tensor) -> Parts:
    """Of the mean of one number `(P, K)` an inversion."""
    of_photo = values.mean(1)
    return Parts((values - of_photo[:, None]) / len(values), of_photo - of_photo.mean())


def parts_of_row(row: RowEvidence) -> dict[str, Parts]:
    """Of every number that row measures give and whose parts can be told, by name.

    Kept, free and invented ask for K ≥ 3 seeds: each is left out in turn (the jackknife of Quenouille
    and Tukey), and no seed is ever paired with itself. Other measures are taken of each inversion alone,
    or, where they compare photos, of each seed alone.
    """
    found = _of_decomposition(row) if row.images.shape[1] > 2 else {}
    for cls in registry.working("invert.measures").values():
        if issubclass(cls, RowMeasure) and not issubclass(cls, Decomposition):
            for name, values in _each(cls(), row).items():
                found[name] = parts_of_mean(values)
    return found


def _of_decomposition(row: RowEvidence) -> dict[str, Parts]:
    whole = energies(row)
    photos, seeds = row.images.shape[:2]
    without = [
        energies(replace(row, images=torch.cat([row.images[:, :s], row.images[:, s + 1 :]], 1)))
        for s in range(seeds)
    ]
    found = {}
    for facet, energy in whole.items():
        of_seeds = [
            [shares(_merged(energy, without[s][facet], at=p)) for s in range(seeds)] for p in range(photos)
        ]
        of_photos = [shares(_without(energy, p)) for p in range(photos)] if photos > 1 else []
        for name in shares(energy):
            left_out = _values([numbers[name] for line in of_seeds for numbers in line])
            if left_out is None:
                continue
            by_seed = left_out.reshape(photos, seeds)
            by_photo = _values([numbers[name] for numbers in of_photos])
            found[f"{name}.{facet}"] = Parts(
                (seeds - 1) * (by_seed.mean(1, keepdim=True) - by_seed),
                torch.full((photos,), torch.nan) if by_photo is None or photos < 2
                else (photos - 1) * (by_photo.mean() - by_photo),
            )  # fmt: skip
    return found


def _merged(energy: Energy, other: Energy, at: int) -> Energy:
    """`energy`, with that of the photo `at` from `other`."""
    here = torch.arange(len(energy.photo)) == at
    return _mapped(lambda mine, yours: torch.where(here, yours, mine), energy, other)


def _without(energy: Energy, photo: int) -> Energy:
    others = torch.arange(len(energy.photo)) != photo
    return _mapped(lambda values: values[others], energy)


def _mapped(change: Callable[..., Tensor], *several: Energy) -> Energy:
    return Energy(**{f.name: change(*(getattr(e, f.name) for e in several)) for f in fields(Energy)})


def _each(measure: RowMeasure, row: RowEvidence) -> dict[str, Tensor]:
    """The numbers of a measure, of each inversion `(P, K)` or, where one has none, of each seed `(1, K)`."""
    photos, seeds = row.images.shape[:2]
    alone = [
        [replace(row, originals=row.originals[p : p + 1], images=row.images[p : p + 1, s : s + 1])
         for s in range(seeds)]
        for p in range(photos)
    ]  # fmt: skip
    found = _grid(measure, alone)
    missing = [name for name in measure.descriptions if name not in found]
    if missing and photos > 1:
        together = [[replace(row, images=row.images[:, s : s + 1]) for s in range(seeds)]]
        found |= {n: v for n, v in _grid(measure, together).items() if n in missing}
    return found


def _grid(measure: RowMeasure, rows: list[list[RowEvidence]]) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers: list[list[Numbers]] = [[measure(row)[0] for row in line] for line in rows]
    except (
        BaseException
    ) as error:  # a plug-in's may need more than pictures: its numbers are without an interval
        if is_end(error):
            raise
        return {}
    found = {}
    for name in numbers[0][0]:
        values = _values([cell.get(name) for line in numbers for cell in line])
        if values is not None:
            found[name] = values.reshape(len(rows), -1)
    return found


def _values(numbers: Sequence[float | None]) -> Tensor | None:
    """The numbers, or None where one is missing or not finite."""
    known = [value for value in numbers if value is not None]
    values = torch.tensor(known, dtype=torch.float64)
    return values if known and len(known) == len(numbers) and bool(values.isfinite().all()) else None
