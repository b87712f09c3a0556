"""The null distributions of a study: which pictures they are made of, and a file that keeps them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from invert import photos, pictures
from invert.errors import InvertWarning, RequestError, one_line
from invert.files import WriteError, digest
from invert.measures.matched import Null, errors_between
from invert.report import NullErrors
from invert.subjects import Subject
from invert.sweeps.cells import Photo
from invert.sweeps.folder import Folder

PICTURES = 40
"""How many pictures a null distribution is made of: 780 pairs."""
LEAST = 15
"""How many whole photos are enough: 105 pairs, with which 1 % can be told."""
SIDE = 1 / 3
"""The side of a crop, as a share of its photo's shorter one."""
STEP = (0.7548776662466927, 0.5698402909980532)
"""Of Roberts' R2 sequence, whose points spread evenly over a square however many they are."""


class Nulls:
    """The feature errors between unlike pictures, by layer, each computed once and kept in `nulls.json`.

    The pictures are the run's own photos where there are `LEAST`, else those of `--photos`, else
    crops of the run's photos that do not overlap.
    """

    def __init__(
        self,
        subject: Subject,
        untrained: Callable[[], Subject],
        pictures: Sequence[Photo],
        directory: str | None,
        folder: Folder,
    ) -> None:
        self.subject, self.untrained = subject, untrained
        self.photos, self.directory, self.folder = pictures, directory, folder
        self._known: dict[tuple[str, str | None], Null | None] = {}
        self._pictures: tuple[str, torch.Tensor, list[tuple[int, int]]] | None = None

    def of(self, layer: str, control: str | None = None) -> Null | None:
        """The null distribution at a layer; None, with a warning, where there is none to be had."""
        if (layer, control) not in self._known:
            self._known[layer, control] = self._read_or_made(layer, control)
        return self._known[layer, control]

    def described(self, layers: Iterable[str]) -> dict[str, NullErrors]:
        """What `report.json` says of the null distributions, by layer."""
        return {layer: _described(null) for layer in layers if (null := self.of(layer)) is not None}

    def _read_or_made(self, layer: str, control: str | None) -> Null | None:
        try:
            subject = self.untrained() if control else self.subject
            of, pictures, pairs = self._chosen()
            made_of = sha256(f"{digest(pictures)} {pairs}".encode()).hexdigest()
            key = f"{layer}, {control}" if control else layer
            facts = {"made_of": made_of, "network": subject.sha256}
            # Those of other pictures, from before the study grew, are of no more use.
            known = {k: v for k, v in self.folder.nulls().items() if _is_of(v, made_of)}
            null = _read(known.get(key)) if _is_of(known.get(key), made_of, subject.sha256) else None
            if null is None:
                null = Null(errors_between(subject, layer, pictures, pairs), of, len(pictures))
                self.folder.write_nulls(known | {key: {**facts, **_kept(null)}})
        except WriteError:
            raise
        except Exception as error:  # the network is the user's, and memory may be short
            message = f"{layer}: no errors between unlike pictures: {one_line(error)}"
            warnings.warn(message, InvertWarning, stacklevel=2)
            return None
        return null if null.errors and null.median > 0 else None

    def _chosen(self) -> tuple[str, torch.Tensor, list[tuple[int, int]]]:
        """Of what the pictures are, `(N, C, H, W)`, and which pairs of them are unlike."""
        if self._pictures is None:
            whole = [photo.pixels for photo in _spread(self.photos)]
            if len(whole) < LEAST:
                whole = self._photos_of_directory()
            if len(whole) >= LEAST:
                self._pictures = "photos", torch.cat(whole), list(combinations(range(len(whole)), 2))
            else:
                self._pictures = self._crops()
        return self._pictures

    def _photos_of_directory(self) -> list[torch.Tensor]:
        found = []
        for path in _spread(photos.expand(Path(self.directory))[0]) if self.directory else []:
            try:
                found.append(self.subject.image(path))
            except RequestError:
                continue
        return found

    def _crops(self) -> tuple[str, torch.Tensor, list[tuple[int, int]]]:
        each = -(-PICTURES // len(self.photos))
        crops, boxes = [], []
        for photo in self.photos:
            picture = pictures.read(photo.path)
            side = max(round(SIDE * min(picture.size)), 1)
            for n in range(each):
                left, top = (
                    round((0.5 + n * step) % 1 * (whole - side))
                    for step, whole in zip(STEP, picture.size, strict=True)
                )
                crops.append(self.subject.image(picture.crop((left, top, left + side, top + side))))
                boxes.append((photo.id, left, top, side))
        pairs = [(i, j) for i, j in combinations(range(len(boxes)), 2) if _apart(boxes[i], boxes[j])]
        return "crops", torch.cat(crops), pairs


Box = tuple[str, int, int, int]
"""A crop: its photo, left, top and side."""


def _apart(a: Box, b: Box) -> bool:
    return a[0] != b[0] or max(abs(a[1] - b[1]), abs(a[2] - b[2])) >= a[3]


def _spread(items: Sequence[Any]) -> list[Any]:
    """At most `PICTURES` of the items, evenly over them."""
    count = min(len(items), PICTURES)
    return [items[n * len(items) // count] for n in range(count)]


def _kept(null: Null) -> dict[str, Any]:
    return {"of": null.of, "pictures": null.pictures, "errors": list(null.errors)}


def _is_of(entry: Any, made_of: str, network: str | None = None) -> bool:
    """Whether an entry of `nulls.json` is of these pictures, and of this network where one is named."""
    if not isinstance(entry, dict) or entry.get("made_of") != made_of:
        return False
    return network is None or entry.get("network") == network


def _read(entry: Any) -> Null | None:
    """A null distribution from `nulls.json`, or None where it is not what this writes there."""
    try:
        null = Null(tuple(map(float, entry["errors"])), str(entry["of"]), int(entry["pictures"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    ascending = list(null.errors) == sorted(null.errors)
    sound = ascending and all(0 <= e < math.inf for e in null.errors) and null.of in ("photos", "crops")
    return null if sound else None


def _described(null: Null) -> NullErrors:
    return NullErrors(
        of=null.of,
        pictures=null.pictures,
        pairs=len(null.errors),
        least=null.errors[0],
        median=null.median,
        enough=null.enough,
    )
