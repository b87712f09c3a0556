"""What a canvas draws is a picture, or the run says so: it would be shown clipped and measured unclipped."""

from __future__ import annotations

from torch import Tensor

from invert.errors import RunError

SLACK = 1e-3
"""Less than a grey level of 8 bits."""


def check_drawn(image: Tensor) -> None:
    """Raises `RunError` where `image` `(B, C, H, W)` leaves [0, 1]. The loss tells what is not finite."""
    low, high = (float(value) for value in image.detach().aminmax())
    if low < -SLACK or high > 1 + SLACK:
        raise RunError(
            f"the prior draws values from {low:.3g} to {high:.3g}: a canvas has to keep its images in [0, 1]"
        )
