"""A request to restore pictures, carried out into a folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from invert.errors import RequestError, one_line
from invert.files import json_bytes, read_regular, slug, unique
from invert.floors import FLOORS
from invert.measures import Evidence, measure_run
from invert.pictures import BYTE_LIMIT
from invert.report import Floor
from invert.sweeps.cells import Cell, plan_restoration, prior_of, stops_of
from invert.sweeps.folder import Folder
from invert.sweeps.growth import FILES
from invert.sweeps.observing import given, task_of
from invert.sweeps.placement import Placement
from invert.sweeps.restoration import NO_STOP, Restoration
from invert.sweeps.restored import RestorationSummary
from invert.sweeps.sweep import HERE, AnySweep, SweepEvent, Told
from invert.sweeps.worker import Worker
from invert.tasks import Given
from invert.typed_json import read_as, to_json


class RestorationSweep(AnySweep):
    """The cells of a request to restore pictures."""

    def __init__(self, request: Restoration, worker: Worker | None = None, where: Placement = HERE) -> None:
        if where.on:
            raise RequestError("--on is for studies of networks: pictures are restored on this machine")
        super().__init__(request, worker or Worker(), where)
        self.request = request
        self.skipped = []
        if not request.file:
            raise RequestError("FILE is missing: name the pictures to restore")
        self.task = task_of(request)
        self.names = unique(slug(Path(path).stem) for path in request.file)
        self.given = lru_cache(maxsize=2)(lambda number: given(request.alone(number)))
        self.operator = ""
        for number in range(len(request.file)):  # what does not fit is said before anything is written
            self.operator = self.given(number).observation.operator.name
        self.cells = plan_restoration(request, self.names)
        for cell in {cell.prior: cell for cell in self.cells}.values():
            prior_of(cell)
        if NO_STOP not in request.stop:
            stops_of(request)
        named = {*request.prior, *request.stop, self.operator, *self.task.stops(self.given(0).observation)}
        if unused := set(request.settings) - named:
            raise RequestError(
                f"--set names {min(unused)!r}, which is not used here ({', '.join(sorted(named))} are)"
            )

    @property
    def stood_for(self) -> dict[str, Any]:
        return {FILES: self._digests}

    @property
    def _digests(self) -> dict[str, str]:
        request = self.request
        files = [*request.file, *request.truth, *request.mask, *request.flash]
        return {path: sha256(read_regular(path, BYTE_LIMIT)).hexdigest() for path in dict.fromkeys(files)}

    def fingerprint(self, cells: list[Cell]) -> str:
        return sha256(json_bytes([[cell.as_json() for cell in cells], self._digests])).hexdigest()

    def begin(self, folder: Folder) -> Iterator[SweepEvent]:
        """What can be shown at once: what was observed, and the floors."""
        self.floors: dict[str, list[Floor]] = {}
        known = folder.floors()
        for number, name in enumerate(self.names):
            made_from = self.fingerprint([cell for cell in self.cells if cell.photo == name][:1])
            self.floors[name] = []
            for method in self.task.floors:
                if self.interrupted:
                    return
                key = f"{name} {method} {made_from}"
                floor = _known(folder, known.get(key))
                if floor is None:
                    floor = _made(folder, self.given(number), name, method)
                    known[key] = to_json(floor)
                    folder.write_floors(known)
                    yield Told(f"{name}: {_in_words(floor, self.task.headline)}")
                self.floors[name].append(floor)

    def summarised(self, folder: Folder) -> RestorationSummary:
        return RestorationSummary(self.request, self.names, self.given, self.floors, self.cells, folder)


def _known(folder: Folder, found: Any) -> Floor | None:
    """A floor that was made before and is whole."""
    try:
        floor = read_as(Floor, folder.out / "floors.json", found) if isinstance(found, dict) else None
    except RequestError:
        return None
    if floor is None or floor.file is None or not (folder.out / floor.file).is_file():
        return None
    return floor


def _made(folder: Folder, known: Given, name: str, method: str) -> Floor:
    make = FLOORS[method]
    about = " ".join((make.__doc__ or "").split())
    began = time.perf_counter()
    try:
        image = make(known.observation)
    except Exception as error:  # memory may be short, and scikit-image refuses some pictures
        return Floor(method=method, about=about, error=one_line(error))
    seconds = round(time.perf_counter() - began, 3)
    file = folder.write(f"images/floors/{slug(f'{name}-{method}')}.png", known.to_png(image))
    return Floor(method=method, about=about, seconds=seconds, measures=measured(known, image), file=file)


def measured(known: Given, image: Tensor) -> dict[str, float | None]:
    bound = known.observation
    return measure_run(Evidence(None, bound, image, bound.photo))


def _in_words(floor: Floor, headline: str) -> str:
    if floor.error is not None:
        return f"floor {floor.method} failed: {floor.error}"
    value = floor.measures.get(headline)
    told = "" if value is None else f" {value:.2f} dB"
    return f"floor {floor.method}{told} in {floor.seconds:.2g} s"
