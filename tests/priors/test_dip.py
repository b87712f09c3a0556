"""The deep image prior as a prior: its sizes, its settings, its randomness."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from invert import images
from invert.engine.optimisation import optimise
from invert.errors import RequestError
from invert.protocols import Canvas
from invert_priors.dip import DeepImagePrior

LITTLE: dict[str, Any] = {
    "channels": (4, 6),
    "skip_channels": (2, 2),
    "kernels_down": (5, 3),
    "kernels_up": (5, 3),
    "input_channels": 3,
}


def rngs(problems: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + 100 * b) for b in range(problems)]


def start(shape: tuple[int, int, int, int], seed: int = 0, **settings: Any) -> Canvas:
    problems, channels, height, width = shape
    return DeepImagePrior(**settings).start((channels, height, width), rngs(problems, seed))


def test_published_size_at_224() -> None:
    canvas = start((1, 3, 224, 224))
    assert sum(p.numel() for p in canvas.parameters()) == 2_606_763
    assert canvas.get_buffer("z").shape == (1, 32, 256, 256)


@pytest.mark.parametrize(
    ("side", "scales", "canvas"),
    [
        (6, 1, 8),
        (28, 3, 32),
        (32, 3, 32),
        (64, 4, 64),
        (128, 5, 128),
        (192, 5, 192),
        (224, 6, 256),
        (299, 6, 320),
    ],
)
def test_scales_follow_the_size(side: int, scales: int, canvas: int) -> None:
    assert DeepImagePrior().scales(side, side) == scales
    assert start((1, 1, side, side), channels=(2,) * 6).get_buffer("z").shape[-1] == canvas


@pytest.mark.parametrize("preset", ["paper", "maximisation"])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 1, 28, 28), (1, 3, 37, 50), (1, 3, 6, 6)], ids=str)
def test_images_have_the_shape_and_range_asked_for(shape: tuple[int, int, int, int], preset: str) -> None:
    image = start(shape, **DeepImagePrior.presets[preset])()
    assert image.shape == shape
    assert image.min() >= 0
    assert image.max() <= 1


def test_problems_do_not_influence_each_other() -> None:
    alone, both = start((1, 3, 16, 16), **LITTLE), start((2, 3, 16, 16), **LITTLE)
    torch.testing.assert_close(both()[:1], alone(), rtol=0, atol=0)
    assert not torch.equal(*both().detach())
    both()[0].sum().backward()
    reached = [
        any(p.grad is not None and p.grad.any() for p in both.get_submodule(f"networks.{b}").parameters())
        for b in range(2)
    ]
    assert reached == [True, False]


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_same_generator_gives_the_same_images(noise: float) -> None:
    state = torch.random.get_rng_state()
    first, again = (start((1, 3, 16, 16), input_noise=noise, **LITTLE) for _ in range(2))
    one, other = rngs(1, 7), rngs(1, 7)
    for _ in range(3):
        assert torch.equal(first(one), again(other))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.equal(first(), start((1, 3, 16, 16), seed=1, input_noise=noise, **LITTLE)())


def test_input_noise_comes_with_generators_only() -> None:
    canvas = start((1, 3, 16, 16), input_noise=0.03, **LITTLE)
    noise = rngs(1, 7)
    assert not torch.equal(canvas(noise), canvas(noise))
    assert torch.equal(canvas(), canvas())
    still = start((1, 3, 16, 16), **LITTLE)
    assert torch.equal(canvas(), still())
    assert torch.equal(still(rngs(1, 7)), still())
    assert canvas.draws and not still.draws


def test_what_is_drawn_next_is_the_same_with_and_without_noise() -> None:
    """The engine takes the seed of the steps' noise where there is some; views come after it."""
    (quiet,), (noisy,) = rngs(1), rngs(1)
    DeepImagePrior(**LITTLE).start((3, 16, 16), [quiet])
    DeepImagePrior(**LITTLE, input_noise=0.03).start((3, 16, 16), [noisy])
    torch.randint(2**62, (), generator=noisy)
    assert torch.equal(quiet.get_state(), noisy.get_state())


def test_the_fixed_input_is_in_no_checkpoint() -> None:
    assert not any(name.endswith("z") for name in start((1, 3, 16, 16), **LITTLE).state_dict())


def test_noise_of_a_problem_does_not_depend_on_the_batch() -> None:
    alone = start((1, 3, 16, 16), input_noise=0.03, **LITTLE)
    both = start((2, 3, 16, 16), input_noise=0.03, **LITTLE)
    one, two = rngs(1, 7), rngs(2, 7)
    for _ in range(2):
        assert torch.equal(alone(one), both(two)[:1])


def test_fast_and_plain_draw_the_same_image() -> None:
    fast, plain = (start((1, 3, 40, 40), fast=fast) for fast in (True, False))
    torch.testing.assert_close(fast(), plain(), rtol=0, atol=1e-4)


def test_settings_survive_json() -> None:
    prior = DeepImagePrior(**DeepImagePrior.presets["maximisation"])
    assert DeepImagePrior(**json.loads(json.dumps(dataclasses.asdict(prior)))) == prior


def test_paper_preset_is_the_published_schedule() -> None:
    paper = DeepImagePrior(**DeepImagePrior.presets["paper"])
    assert (paper.steps, paper.learning_rate, paper.warmup, paper.decay) == (3100, 1e-3, 0.0, 1.0)
    canvas = start((1, 3, 32, 32), **DeepImagePrior.presets["paper"])
    before = canvas.state_dict()
    canvas.after_step(torch.tensor(0.01), None)
    assert not canvas.rates()
    assert all(torch.equal(before[name], value) for name, value in canvas.state_dict().items())


def test_kernels_turn_by_a_fraction_of_their_size_which_is_held() -> None:
    """Those before a batch norm, small and large alike; the output's moves at the rate itself."""
    canvas = start((1, 3, 32, 32), learning_rate=0.01, kernel_rate=0.1)
    before = {name: p.detach().clone() for name, p in canvas.named_parameters()}
    list(optimise(canvas, lambda image: image.mean((1, 2, 3)), steps=1, learning_rate=0.01))
    for name, after in canvas.named_parameters():
        moved = (after - before[name]).square().mean().sqrt().item()
        if name.endswith("conv.weight"):
            # The root mean square of a uniform distribution up to 1 / sqrt(inputs).
            drawn = 1 / math.sqrt(3 * after[0].numel())
            assert after.square().mean().sqrt().item() == pytest.approx(drawn, rel=1e-5)
            if after.numel() > 1000:  # so many that what was drawn has that size already
                assert moved == pytest.approx(0.1 * drawn, rel=0.1)
        elif "output" in name:
            assert moved == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_channels": 0}, "at least 1"),
        ({"input_scale": 0.0}, "above 0"),
        ({"input_noise": -1.0}, "at least 0"),
        ({"kernel_rate": -1.0}, "at least 0"),
        ({"channels": ()}, "one number a scale"),
        ({"channels": (16, 32)}, "must have 2 entries"),
        ({"skip_channels": (4, 4, 4, 4, 4, -1)}, "at least 0"),
        ({"kernels_up": (7, 7, 5, 5, 3, 2)}, "odd, from 1 to 7"),
        ({"kernels_down": (9, 7, 5, 5, 3, 3)}, "odd, from 1 to 7"),
        ({"upsampling": "cubic"}, "nearest or bilinear"),
        ({"padding": "circular"}, "zero or reflection"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        DeepImagePrior(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("fast", [True, False])
def test_another_fixed_input_is_another_picture(fast: bool) -> None:
    """The input is prepared once; loading another one must show."""
    one, other = (start((1, 3, 16, 16), seed, **LITTLE, fast=fast) for seed in (0, 1))
    before = one().detach()
    one.load_state_dict(other.state_dict())
    one.get_buffer("z").copy_(other.get_buffer("z"))
    torch.testing.assert_close(one(), other())
    assert not torch.equal(one(), before)


def test_a_picture_takes_the_place_of_the_noise(tmp_path: Path) -> None:
    guide = torch.rand(1, 3, 14, 18, generator=torch.Generator().manual_seed(0))
    (tmp_path / "guide.png").write_bytes(images.to_png(guide))
    read = images.to_float(tmp_path / "guide.png")
    canvas = start((2, 1, 14, 18), **LITTLE, input_file=str(tmp_path / "guide.png"))
    z = canvas.get_buffer("z")
    assert torch.equal(z[:, :, :14, :18], read.expand(2, -1, -1, -1)), "for every problem the picture"
    assert torch.equal(z[:, :, 14:, :18], read.flip(2)[:, :, :2].expand(2, -1, -1, -1)), "mirrored below"
    one, other = canvas()
    assert one.shape == (1, 14, 18) and not torch.equal(one, other)
    with pytest.raises(RequestError, match=r"guide\.png is 18 × 14, and what is drawn 16 × 16"):
        start((1, 1, 16, 16), **LITTLE, input_file=str(tmp_path / "guide.png"))


def test_weight_noise_moves_each_kernel_by_so_many_rates_and_nothing_else() -> None:
    """Cheng et al.: after a step, noise of twice the rate on what has four axes."""
    canvas = start((2, 3, 16, 16), weight_noise=2.0, **LITTLE)
    before = {name: p.detach().clone() for name, p in canvas.named_parameters()}
    assert canvas.draws
    with torch.no_grad():
        canvas.after_step(torch.tensor(0.01), rngs(2, seed=7))
    moved = {name: (p - before[name]).detach() for name, p in canvas.named_parameters()}
    kernels = torch.cat([change.flatten() for change in moved.values() if change.ndim == 4])
    assert kernels.std() == pytest.approx(0.02, rel=0.1) and kernels.mean().abs() < 2e-3
    assert not any(change.any() for change in moved.values() if change.ndim != 4)
    alone = start((1, 3, 16, 16), weight_noise=2.0, **LITTLE)
    with torch.no_grad():
        alone.after_step(torch.tensor(0.01), rngs(1, seed=7))
    torch.testing.assert_close(canvas()[:1], alone(), rtol=0, atol=1e-6)


def test_without_noise_on_the_input_the_picture_of_a_sampling_canvas_is_steady() -> None:
    canvas = start((1, 3, 16, 16), weight_noise=2.0, **LITTLE)
    torch.testing.assert_close(canvas(rngs(1)), canvas(), rtol=0, atol=0)


def test_the_price_of_variation_is_that_of_tv() -> None:
    from invert_priors.tv import TotalVariation

    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    plain = start((2, 3, 16, 16), **LITTLE)
    priced = start((2, 3, 16, 16), tv_weight=0.2, **LITTLE)
    tv = TotalVariation(weight=0.2, alpha_weight=0.0).start((3, 16, 16), rngs(2))
    assert not plain.penalty(image).any()
    torch.testing.assert_close(priced.penalty(image), tv.penalty(image))
