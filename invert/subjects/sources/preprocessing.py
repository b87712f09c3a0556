"""How images become what a network expects, and what users write for it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from invert.errors import RequestError

Size = int | Sequence[int]
PerChannel = float | Sequence[float]

T = TypeVar("T")


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


def channels(module: nn.Module, mean: PerChannel, std: PerChannel) -> int:
    """As many as `mean` or `std` has values, or else as the first convolution takes; 3 without one."""
    values = max(len(numbers(mean)), len(numbers(std)))
    convolutions = (part.in_channels for part in module.modules() if isinstance(part, nn.Conv2d))
    return values if values > 1 else next(convolutions, 3)


def input_shape(size: Size, channels: int) -> tuple[int, int, int]:
    """(C, H, W) of a size given as a side, (H, W) or (C, H, W)."""
    try:
        sides = (size, size) if isinstance(size, int) else tuple(map(operator.index, _in_order(size)))
    except (TypeError, ValueError):
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise RequestError(f"a size is a side, (H, W) or (C, H, W), each at least 1, not {size!r}")
    return sides[-3] if len(sides) == 3 else channels, sides[-2], sides[-1]


def numbers(values: PerChannel) -> tuple[float, ...]:
    try:
        return tuple(map(float, [values] if isinstance(values, (int, float)) else _in_order(values)))
    except (TypeError, ValueError):
        raise RequestError(f"mean and std are numbers, one or one a channel, not {values!r}") from None


def _in_order(values: Iterable[T]) -> Iterable[T]:
    """`values`, unless they come in no order (a set), or as a text, letter by letter: `TypeError` then."""
    if isinstance(values, (str, bytes, Set, Mapping)):
        raise TypeError
    return values
