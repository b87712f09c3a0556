"""What was measured elsewhere, with no truth at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import invert
from invert import images
from invert.photos import default_photo

HEIGHT, WIDTH = 37, 50


def truth() -> Tensor:
    return images.to_tensor(default_photo(), (3, HEIGHT, WIDTH))


def in_8_bits(picture: Tensor) -> Tensor:
    return (picture * 255).round() / 255


def hole(tmp_path: Path, mask: Tensor | None = None) -> str:
    """A file that is white where a pixel is missing: by default a block in the middle."""
    if mask is None:
        mask = torch.zeros(1, HEIGHT, WIDTH)
        mask[:, 10:20, 15:30] = 1
    images.save_png(mask, tmp_path / "hole.png")
    return str(tmp_path / "hole.png")


def test_the_white_of_a_mask_is_what_is_missing(tmp_path: Path) -> None:
    operator = invert.operator("mask", file=hole(tmp_path))
    bound = invert.Observation(operator, truth()).bind(None)
    assert torch.equal(bound.seen[..., 10:20, 15:30], torch.full((1, 3, 10, 15), 0.5))
    known = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    known[10:20, 15:30] = False
    assert torch.equal(bound.seen[..., known], truth()[..., known])


def test_a_picture_with_holes_is_restored_whatever_the_holes_show(tmp_path: Path) -> None:
    """From files, at an odd size, without a truth: the known pixels stay, the hole is filled in."""
    damaged = truth()
    damaged[..., 10:20, 15:30] = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    images.save_png(damaged, tmp_path / "damaged.png")
    measured = invert.Observation(
        invert.operator("mask", file=hole(tmp_path)), observed=tmp_path / "damaged.png"
    )
    result = invert.restore(measured, "tv", steps=150)
    assert result.image.shape == (1, 3, HEIGHT, WIDTH)
    assert result.original is None and result.measures["psnr"] is None
    error = (result.image - in_8_bits(truth())).abs()
    inside = error[..., 10:20, 15:30].clone()
    error[..., 10:20, 15:30] = 0
    assert float(error.max()) == 0.0
    assert float(inside.mean()) < 0.5 * float((damaged - truth())[..., 10:20, 15:30].abs().mean())


def test_what_was_measured_of_a_photo_is_what_the_operator_would_have_shown() -> None:
    for operator in (
        invert.operator("mask", share=0.3),
        invert.operator("downsample", factor=5, kernel="box"),
        invert.operator("identity", sigma=0.1),
    ):
        simulated = invert.Observation(operator, truth(), seed=3).bind(None)
        assert simulated.target is not None
        measured = invert.Observation(operator, observed=simulated.target, seed=3, shape=(3, HEIGHT, WIDTH))
        bound = measured.bind(None)
        assert bound.target is not None and torch.equal(bound.target, simulated.target)
        assert bound.shape == simulated.shape and bound.original is None
        grey = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
        assert torch.equal(bound.consistent(grey), simulated.consistent(grey))


def test_a_noisy_picture_gets_no_noise_on_top(tmp_path: Path) -> None:
    noise = torch.randn(truth().shape, generator=torch.Generator().manual_seed(0))
    noisy = in_8_bits((truth() + 0.1 * noise).clamp(0, 1))
    images.save_png(noisy, tmp_path / "noisy.png")
    for observed in (noisy, tmp_path / "noisy.png"):
        bound = invert.Observation(invert.operator("identity", sigma=0.1), observed=observed).bind(None)
        assert bound.target is not None and torch.allclose(bound.target, noisy, atol=1e-6)


def test_a_small_picture_says_how_large_its_truth_is(tmp_path: Path) -> None:
    small = truth()[..., :20, :30]
    images.save_png(small, tmp_path / "small.png")
    operator = invert.operator("downsample", factor=3)
    result = invert.restore(invert.Observation(operator, observed=tmp_path / "small.png"), "none", steps=3)
    assert result.image.shape == (1, 3, 60, 90)
    rounded = invert.Observation(operator, observed=small, shape=(3, 61, 89)).bind(None)
    assert rounded.shape == (3, 61, 89) and rounded.seen.shape == (1, 3, 61, 89)


def test_a_truth_is_there_to_measure_by_and_for_nothing_else() -> None:
    operator = invert.operator("downsample", factor=2)
    observer = operator.start((3, 36, 50), torch.Generator())
    whole = truth()[..., :36, :]
    small = in_8_bits(observer(whole).clamp(0, 1))
    alone = invert.restore(invert.Observation(operator, observed=small), "tv", steps=30)
    beside = invert.restore(invert.Observation(operator, whole, observed=small), "tv", steps=30)
    assert torch.equal(alone.image, beside.image)
    assert alone.measures["psnr"] is None
    psnr = beside.measures["psnr"]
    assert psnr is not None and psnr > 22


def test_observations_are_told_apart_by_what_was_observed() -> None:
    operator = invert.operator("identity")
    one, same, other = (invert.Observation(operator, observed=truth() * c) for c in (1, 1, 0.5))
    assert one == same and hash(one) == hash(same) and one != other
    assert one != invert.Observation(operator, truth())


def small_mask(tmp_path: Path) -> invert.Observation:
    return invert.Observation(
        invert.operator("mask", file=hole(tmp_path, torch.ones(1, 8, 9))), observed=truth()
    )


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (small_mask, r"hole.png is 9 × 8, the picture 50 × 37: a mask is as large as its picture"),
        (
            lambda tmp: invert.Observation(
                invert.operator("mask", file=hole(tmp, torch.zeros(1, HEIGHT, WIDTH))), observed=truth()
            ),
            r"no pixel is missing \(white is what is missing\)",
        ),
        (
            lambda tmp: invert.Observation(
                invert.operator("mask", file=hole(tmp, torch.ones(1, HEIGHT, WIDTH))), observed=truth()
            ),
            r"every pixel is missing: nothing is known \(white",
        ),
        (
            lambda tmp: invert.Observation(invert.operator("mask", file=str(tmp / "no.png")), truth()),
            "no.png",
        ),
        (
            lambda tmp: invert.Observation(
                invert.operator("identity"), truth()[..., :-1, :], observed=truth()
            ),
            r"what was observed is 50 × 37 .*of a picture of 50 × 36",
        ),
        (
            lambda tmp: invert.Observation(
                invert.operator("identity"), truth(), observed=truth(), shape=(3, 36, 50)
            ),
            r"the truth is 50 × 37 .*, the picture 50 × 36",
        ),
        (
            lambda tmp: invert.Observation(invert.operator("downsample"), truth(), observed=truth()),
            r"what was observed is 50 × 37 .*of a picture of 50 × 37 .*it would be 12 × 9",
        ),
        (
            lambda tmp: invert.Observation(
                invert.operator("identity"), observed=torch.full((1, 3, 4, 4), float("nan"))
            ),
            "NaN or infinity",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(ask: object, told: str, tmp_path: Path) -> None:
    with pytest.raises(invert.RequestError, match=told) as caught:
        ask(tmp_path).bind(None)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
