"""Making a picture smaller: the very numbers of the programs that do it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import invert
from invert.operators.resampling import KERNELS, inverse, matrix
from invert.testing import check_operator

PILLOW = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


def picture(height: int, width: int) -> Tensor:
    return torch.rand(height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def resized(image: np.ndarray, size: tuple[int, int], kernel: str) -> np.ndarray:  # type: ignore[type-arg]
    """By Pillow, in floating point."""
    return np.asarray(Image.fromarray(image.astype(np.float32)).resize(size[::-1], PILLOW[kernel]))


@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize("smaller", [(16, 24), (13, 29), (32, 48)])
def test_pillow_s_numbers(kernel: str, smaller: tuple[int, int]) -> None:
    whole = picture(64, 96)
    ours = matrix(64, smaller[0], kernel) @ whole @ matrix(96, smaller[1], kernel).T
    np.testing.assert_allclose(ours.numpy(), resized(whole.numpy(), smaller, kernel), atol=1e-6)


@pytest.mark.parametrize("kernel", PILLOW)
def test_pillow_s_8_bit_pictures_within_a_level(kernel: str) -> None:
    """Where nothing overshoots: it clips between the two passes."""
    whole = (64 + picture(64, 96) * 127).round()
    ours = matrix(64, 16, kernel) @ whole @ matrix(96, 24, kernel).T
    theirs = Image.fromarray(whole.numpy().astype(np.uint8)).resize((24, 16), PILLOW[kernel])
    assert float((ours - torch.from_numpy(np.array(theirs)).double()).abs().max()) <= 1.0


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [2, 3, 16])
def test_every_kernel_keeps_what_an_operator_promises(kernel: str, factor: int) -> None:
    """Sides that are no multiple of the factor, and one that is smaller than it."""
    check_operator(invert.operator("downsample", factor=factor, kernel=kernel), (1, 31, 13))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_matlab_reflects_at_the_border(factor: int) -> None:
    """Away from the border it is Pillow's bicubic: so Pillow, on the picture continued by its reflection."""
    size, margin = 24 * factor, 4 * factor
    whole = picture(size, size)
    continued = np.pad(whole.numpy(), margin, mode="symmetric")
    around = resized(continued, ((size + 2 * margin) // factor,) * 2, "bicubic")
    theirs = around[margin // factor : -(margin // factor), margin // factor : -(margin // factor)]
    ours = matrix(size, 24, "matlab") @ whole @ matrix(size, 24, "matlab").T
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-6)


def test_a_picture_made_consistent_is_the_observation_and_nearer_to_the_truth() -> None:
    truth = picture(48, 32).float().expand(1, 3, -1, -1)
    for kernel in ("lanczos", "bicubic", "matlab", "box"):
        observer = invert.operator("downsample", factor=4, kernel=kernel).start(
            (3, 48, 32), torch.Generator().manual_seed(0)
        )
        observed = observer(truth)
        guess = torch.full_like(truth, 0.5)
        agreed = observer.consistent(guess, observed)
        torch.testing.assert_close(observer(agreed), observed, atol=1e-5, rtol=0)
        assert (agreed - truth).norm() < (guess - truth).norm()


def test_the_inverse_asks_for_the_smallest_change() -> None:
    """What it adds lies where the smaller picture sees it: projecting it there changes nothing."""
    down, back = matrix(40, 10, "lanczos"), inverse(40, 10, "lanczos")
    torch.testing.assert_close(down @ back, torch.eye(10, dtype=torch.float64), atol=1e-9, rtol=0)
    projector = back @ down
    torch.testing.assert_close(projector, projector.T, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("settings", "told"), [({"factor": 1}, "2 to 16"), ({"kernel": "nearest"}, "lanczos")]
)
def test_settings_out_of_range(settings: dict[str, object], told: str) -> None:
    with pytest.raises(invert.RequestError, match=told):
        invert.operator("downsample", **settings)
