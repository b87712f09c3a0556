"""The photos of a folder that drive a class or a unit most and least, beside what was synthesised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from invert import photos
from invert.errors import RequestError
from invert.files import slug
from invert.objectives import ClassLogOdds, ClassScore
from invert.objectives.class_score import OUTPUT
from invert.protocols import Objective
from invert.report import ScoredClass, ScoredPhoto, ScoredPhotos
from invert.subjects import Subject
from invert.subjects.matching import same_name
from invert.sweeps.folder import Folder

SHOWN = 5
"""How many of the most and of the least activating photos a record shows."""
LEFT_OUT = 20
"""How many of the files that were left out a record names."""
BATCH = 16


class PhotoScores:
    """Every target's score on every photo of a folder, from one pass of the photos through the network.

    The objectives are bound. Raises `RequestError` where `directory` is no folder or holds no
    picture. Files that cannot be read are left out, and counted.
    """

    def __init__(self, subject: Subject, directory: str, objectives: Sequence[Objective]) -> None:
        if not Path(directory).is_dir():
            raise RequestError(f"--photos {directory!r}: there is no such folder")
        self.subject, self.directory = subject, Path(directory)
        self.paths, self.skipped = photos.expand(Path(directory))
        self.objectives = list(dict.fromkeys(objectives))
        self.readable: list[Path] = []
        self._scores: list[Tensor] = []
        self._top: list[int] = []
        self._of_target: dict[Objective, ScoredPhotos] = {}

    def read(self) -> Iterator[int]:
        """Score the photos, yielding how many are done."""
        for start in range(0, len(self.paths), BATCH):
            images = []
            for path in self.paths[start : start + BATCH]:
                try:
                    images.append(self.subject.image(path))
                    self.readable.append(path)
                except RequestError as error:
                    self.skipped.append(photos.Skipped(path, str(error)))
            if images:
                self._score(torch.cat(images))
            yield min(start + BATCH, len(self.paths))

    def of(self, objective: Objective, folder: Folder) -> ScoredPhotos | None:
        """What a record says of a target's photos (docs/files.md), the shown ones written to `folder`."""
        if not self.readable or objective not in self.objectives:
            return None
        if objective not in self._of_target:
            self._of_target[objective] = self._describe(objective, folder)
        return self._of_target[objective]

    def _score(self, images: Tensor) -> None:
        """Take in the scores `(targets, B)` of images `(B, C, H, W)`."""
        layers = {layer for objective in self.objectives for layer in objective.layers}
        of_classes = self.subject.classes is not None
        with torch.no_grad():
            activations = self.subject.activations(images, layers | ({OUTPUT} if of_classes else set()))
            scores = [-_score_of(objective)(images, activations) for objective in self.objectives]
        self._scores.append(torch.stack(scores).cpu())
        if of_classes:
            self._top += activations[OUTPUT].argmax(1).tolist()

    def _describe(self, objective: Objective, folder: Folder) -> ScoredPhotos:
        scores = torch.cat(self._scores, dim=1)[self.objectives.index(objective)]
        order = scores.argsort(descending=True, stable=True).tolist()
        return ScoredPhotos(
            count=len(self.readable),
            skipped=len(self.paths) - len(self.readable),
            left_out=[each.reported() for each in self.skipped[:LEFT_OUT]],
            mean=float(scores.mean()),
            max=float(scores.max()),
            highest=[self._entry(i, float(scores[i]), folder) for i in order[:SHOWN]],
            lowest=[self._entry(i, float(scores[i]), folder) for i in order[::-1][:SHOWN]],
            of_class=self._of_class(objective.target_index, scores),
        )

    def _entry(self, index: int, score: float, folder: Folder) -> ScoredPhoto:
        path = self.readable[index]
        name = path.relative_to(self.directory).as_posix()
        file = f"photos/{slug(name)}.png"
        if not (folder.out / file).exists():
            folder.write_image(file, self.subject.image(path))
        return ScoredPhoto(file=file, name=name, score=score)

    def _of_class(self, target: int | None, scores: Tensor) -> ScoredClass | None:
        """The scores of the photos of a class: those in a folder of its name, else by the network's top 1."""
        if target is None or self.subject.classes is None:
            return None
        name, by = self.subject.classes[target], "folder"
        folders = {path.parent for path in self.readable}
        named = {f for f in folders if f != self.directory and same_name(f.name, name)}
        chosen = [i for i, path in enumerate(self.readable) if path.parent in named]
        if not chosen:
            by, chosen = "network", [i for i, top in enumerate(self._top) if top == target]
        if not chosen:
            return None
        own = scores[chosen]
        return ScoredClass(by=by, count=len(chosen), mean=float(own.mean()), max=float(own.max()))


def _score_of(objective: Objective) -> Objective:
    """What a photo is scored by: for a class its logit, as `target_score` is."""
    return ClassScore(objective.target) if isinstance(objective, ClassLogOdds) else objective
