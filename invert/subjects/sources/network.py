"""What a source of networks (torchvision, timm, a file) knows about one of them before it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

State = dict[str, Tensor]


@dataclass(frozen=True)
class Preprocessing:
    """How images become what the network expects, from the metadata of its weights."""

    input_shape: tuple[int, int, int]
    """(C, H, W)."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    crop: float = 1.0
    """The part of the resized photo's side that the centre crop keeps."""
    interpolation: str = "bilinear"


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
