"""What the engine, the priors, the objectives, the measures and the reports agree on.

Shapes: `B` independent problems, `C` channels, `H` × `W` pixels. An image is a float tensor
`(B, C, H, W)` with values in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from invert.subjects import Subject

Shape = tuple[int, int, int, int]
Activations = Mapping[str, Tensor]
Kind = Literal["feature", "class", "unit"]


class Canvas(nn.Module, ABC):
    """B images as a differentiable function of parameters: what is optimised.

    `forward()` returns images `(B, C, H, W)` in [0, 1]. Image b depends on the parameters of
    problem b alone. In training mode a canvas may add noise, drawn from the generators it
    declares and never from global random state; in evaluation mode it is deterministic.
    """

    @abstractmethod
    def forward(self) -> Tensor: ...

    def penalty(self, image: Tensor) -> Tensor:
        """What the prior adds to the loss for `image` `(B, C, H, W)`: `(B,)`, zero unless overridden."""
        return image.new_zeros(image.shape[0])

    def rates(self) -> Mapping[Tensor, float]:
        """Factors on the learning rate, for the parameters that do not move at the rate itself."""
        return {}

    def project(self) -> None:
        """Bring the parameters back to where they may be, in place: called after each step, under no_grad."""

    def generators(self) -> list[torch.Generator]:
        """The random generators that training-mode `forward()` draws from (a checkpoint saves them)."""
        return []


@dataclass(frozen=True, kw_only=True)
class Prior(ABC):
    """An assumption about what images are: frozen settings, and a canvas to start from.

    Every field is a setting (`--set NAME.FIELD=VALUE`): an int, float, bool, str, or a tuple of
    ints or floats, so that settings survive JSON. Check them in `__post_init__`, raising
    `ValueError` with one line that says what would be right. `presets` are named groups of
    settings; the one named "maximisation" is the default where a class or a unit is driven up.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    steps: int = 500
    """Optimisation steps, unless the user says otherwise."""
    learning_rate: float = 0.01
    """Adam's peak learning rate."""
    warmup: float = 0.0
    """Fraction of the steps over which the rate climbs linearly to its peak."""
    decay: float = 1.0
    """Fraction of its peak that the rate falls to over the run, along a cosine; 1 keeps it constant."""

    @abstractmethod
    def start(self, shape: Shape, rng: torch.Generator) -> Canvas:
        """A canvas of `shape` `(B, C, H, W)` on the CPU, drawn from `rng` problem by problem."""


class Objective(ABC):
    """What the image should do to the network: a pure function of image and activations, minimised.

    An objective names the layers it reads and never holds a model. `bind(subject)`
    looks up what it needs to know of one (target features, the index of a class) and returns
    the objective to optimise. Objectives add, subtract and scale.
    """

    @property
    @abstractmethod
    def kind(self) -> Kind: ...

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The names of the layers whose activations `__call__` gets."""

    @property
    def in_place(self) -> bool:
        """Whether it looks at one place of the picture, so that random views must hardly move it."""
        return False

    @property
    def floor(self) -> float | None:
        """The least value that the loss can take, where it has one: a run that is there ends."""
        return None

    @abstractmethod
    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        """The loss `(B,)` of `image` `(B, C, H, W)` with the activations of `layers`."""

    def bind(self, subject: Subject) -> Objective:
        return self

    def __str__(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Description:
    """What a number is, so that a table can label it honestly."""

    title: str
    unit: str
    range: tuple[float, float]
    better: Literal["higher", "lower", "neither"]
    source: str
    short: str = ""
    """A label for where there is little room: under a picture, over a column; empty: from the title."""
    place: Literal["caption", "chart", "table"] = "table"
    """The most prominent place it is shown in: under every picture, as a chart, or in tables alone."""
