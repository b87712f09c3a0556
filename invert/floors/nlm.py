from __future__ import annotations

import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

from invert.objectives import Observation


def nlm(bound: Observation) -> Tensor:
    """Non-local means (Buades, Coll and Morel, CVPR 2005), by scikit-image."""
    sigma = float(getattr(bound.operator, "sigma", 0.0))
    noisy = bound.seen[0].movedim(0, -1).double().numpy()
    made = denoise_nl_means(
        noisy, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, channel_axis=-1
    )
    return torch.from_numpy(made.reshape(noisy.shape)).movedim(-1, 0)[None].float().clamp(0, 1)
