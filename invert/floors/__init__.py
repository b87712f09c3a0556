"""What a method of a second makes of the same observation: a floor that a prior has to be better than."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from invert.floors.biharmonic import biharmonic
from invert.floors.cosines import cosines
from invert.floors.nlm import nlm
from invert.floors.resized import bicubic, lanczos
from invert.floors.unchanged import unchanged
from invert.objectives import Observation

Floor = Callable[[Observation], Tensor]
"""From a bound observation to a picture `(1, C, H, W)` in [0, 1]; its docstring says how."""

FLOORS: Mapping[str, Floor] = {
    "unchanged": unchanged,
    "nlm": nlm,
    "cosines": cosines,
    "biharmonic": biharmonic,
    "bicubic": bicubic,
    "lanczos": lanczos,
}

__all__ = ["FLOORS", "Floor"]
