"""What a measure may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invert.images import to_tensor
from invert.protocols import Objective
from invert.subjects import Subject


@dataclass(frozen=True)
class Evidence:
    """One inversion: `image` `(1, C, H, W)` in [0, 1] that `objective`, bound to `subject`, led to.

    There is no subject where the objective reads no network.

    `original` is the photo of the same shape, where there is one; `target_index` the class that
    was driven up, where one was; `judge` an independent classifier, where the user named one.
    """

    subject: Subject | None
    objective: Objective
    image: Tensor
    original: Tensor | None = None
    target_index: int | None = None
    judge: Subject | None = None

    @cached_property
    def activations(self) -> Mapping[str, Tensor]:
        """Those that the objective reads, of the image itself, in fp32, without noise or transformations."""
        if self.subject is None:
            return {}
        with torch.no_grad():
            return self.subject.activations(self.image, self.objective.layers)

    def value(self, objective: Objective) -> float:
        """A term of the objective at the image."""
        with torch.no_grad():
            return float(objective(self.image, self.activations))

    @cached_property
    def logits(self) -> Tensor | None:
        """The network's output for the inversion, `(classes,)`; None where it is no classifier."""
        return self._scores(self.image)

    @cached_property
    def original_logits(self) -> Tensor | None:
        return None if self.original is None else self._scores(self.original)

    def _scores(self, image: Tensor) -> Tensor | None:
        """An output is class scores where classes have names, or one was asked for: else an embedding."""
        named = self.subject is not None and self.subject.classes is not None
        if self.subject is None or not (named or self.target_index is not None):
            return None
        return class_scores(self.subject, image)

    @cached_property
    def judge_logits(self) -> Tensor | None:
        """The judge's output for the inversion, `(classes,)`; None without a judge."""
        return None if self.judge is None else judge_scores(self.judge, self.image)

    @cached_property
    def judge_original_logits(self) -> Tensor | None:
        if self.judge is None or self.original is None:
            return None
        return judge_scores(self.judge, self.original)


@dataclass(frozen=True)
class RowEvidence:
    """All inversions of one layer, or of another observation, under one prior.

    `originals` `(P, C, H, W)` are the photos, `images` `(P, K, C, H, W)` the K inversions of
    each, from K seeds. `layer_share` is the layer's size as a share of the input's, 0 of what is no
    layer. `subject` is None where pictures are measured again without their network (`invert compare`).
    """

    subject: Subject | None
    layer: str
    originals: Tensor
    images: Tensor
    layer_share: float
    judge: Subject | None = None

    def of_photo(self, number: int) -> RowEvidence:
        """One photo with its own inversions alone."""
        one = slice(number, number + 1)
        return replace(self, originals=self.originals[one], images=self.images[one])

    def of_another_photo(self) -> RowEvidence:
        """A control: each photo with the inversions of another photo's code, where nothing should be kept."""
        return replace(self, originals=self.originals.roll(1, 0))


def class_scores(subject: Subject, image: Tensor) -> Tensor | None:
    """The network's output `(classes,)` for one image `(1, C, H, W)`; None where it is no row."""
    with torch.no_grad():
        output = subject.logits(image).float()
    return output[0] if output.dim() == 2 else None


def judge_scores(judge: Subject, image: Tensor) -> Tensor | None:
    """A judge's output `(classes,)` for all of one image `(1, C, H, W)`, resized to what it takes."""
    whole = to_tensor(image, judge.input_shape, interpolation=judge.interpolation)
    return class_scores(judge, whole.to(judge.device))
