"""What a source of networks (torchvision, timm, a file) knows about one of them before it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invert.subjects.sources.preprocessing import PerChannel, Preprocessing, Size, input_shape

State = dict[str, Tensor]


@dataclass(frozen=True)
class Given:
    """What the user says of a network that its source would say otherwise, and the seed of what is drawn."""

    size: Size | None = None
    mean: PerChannel | None = None
    std: PerChannel | None = None
    seed: int = 0

    @property
    def sides(self) -> tuple[int, int] | None:
        """(H, W) of the input."""
        return None if self.size is None else input_shape(self.size, channels=0)[1:]


@dataclass(frozen=True)
class Network:
    """One architecture, how to build it, and what its published weights say of themselves."""

    build: Callable[[int | None], nn.Module]
    """With random weights from torch's global generator; for so many classes, None: as published."""
    preprocessing: Preprocessing
    published: Callable[[], nn.Module]
    """With its own weights; raises `RunError` where they cannot be downloaded."""
    source: str
    """What the published weights are, for the record: `published: IMAGENET1K_V1`."""
    classes: tuple[str, ...] | None = None
    adapt: Callable[[State, int | None], nn.Module] | None = None
    """Builds the network around a state dict in the authors' own format, or raises."""
    program: str | None = None
    """The SHA-256 of the model file that makes it."""
    own_classes: bool = False
    """Whether the classes are the network's own, and their number as fixed as the names."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within, torch draws from `seed`; afterwards the global generator is as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
