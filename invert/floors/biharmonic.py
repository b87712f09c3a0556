from __future__ import annotations

import torch
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from invert.objectives import Observation


def biharmonic(bound: Observation) -> Tensor:
    """The smoothest filling, by the biharmonic equation (Damelin and Hoang, 2018), by scikit-image."""
    observer = bound.observer
    assert observer is not None
    missing = ~observer.get_buffer("known").numpy()
    pixels = bound.seen[0].movedim(0, -1).double().numpy()
    made = inpaint_biharmonic(pixels, missing, channel_axis=-1)
    return bound.consistent(
        torch.from_numpy(made.reshape(pixels.shape)).movedim(-1, 0)[None].float().clamp(0, 1)
    )
