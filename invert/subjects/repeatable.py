"""Whether a network says the same of the same picture twice: what an inversion is compared with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from invert.subjects.trace import Layer, tapped

SLACK = 1e-4
"""Of the largest value: what sums in another order may differ by on an accelerator."""


def is_repeatable(model: nn.Module, inputs: Tensor, layers: Sequence[Layer]) -> bool:
    """Whether two passes of `inputs` `(B, C, H, W)`, as the network expects them, end in the same values.

    Values that are not finite in both passes are not compared.
    """
    taps = {layer.tap for layer in layers if not layer.tap.module}
    with torch.no_grad():
        one, two = (tapped(model, inputs, taps) for _ in range(2 if taps else 0))
    return all(_alike(one[tap], two[tap]) for tap in taps)


def _alike(one: Tensor, two: Tensor) -> bool:
    if one.shape != two.shape:
        return False
    finite = one.isfinite() & two.isfinite()
    one, two = one[finite].float(), two[finite].float()
    return not one.numel() or bool((one - two).abs().max() <= SLACK * one.abs().max())
