"""The published generator, and its fast form against it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from invert_priors import fast_generator, generator
from invert_priors.fast_generator import FastGenerator
from invert_priors.generator import Architecture, Generator

PUBLISHED = Architecture(
    inputs=32,
    outputs=3,
    channels=(16, 32, 64, 128, 128, 128),
    skip_channels=(4, 4, 4, 4, 4, 4),
    kernels_down=(7, 7, 5, 5, 3, 3),
    kernels_up=(7, 7, 5, 5, 3, 3),
    upsampling="nearest",
    padding="zero",
    colours="rgb",
)

SMALL = Architecture(
    inputs=3,
    outputs=3,
    channels=(4, 6, 5),
    skip_channels=(2, 0, 4),
    kernels_down=(7, 5, 3),
    kernels_up=(7, 5, 3),
    upsampling="nearest",
    padding="zero",
    colours="rgb",
)

SETTINGS = {
    "published kernels": SMALL,
    "kernels in another order": replace(SMALL, kernels_down=(3, 7, 5), kernels_up=(5, 3, 7)),
    "pointwise": replace(SMALL, kernels_down=(1, 1, 1), kernels_up=(1, 1, 1)),
    "no skip": replace(SMALL, skip_channels=(0, 0, 0)),
    "one channel": replace(SMALL, outputs=1),
    "one scale": replace(SMALL, channels=(4,), skip_channels=(4,), kernels_down=(5,), kernels_up=(5,)),
    "bilinear": replace(SMALL, upsampling="bilinear"),
    "reflection": replace(SMALL, padding="reflection"),
    "decorrelated colours": replace(SMALL, colours="decorrelated"),
    "bilinear, reflection": replace(SMALL, upsampling="bilinear", padding="reflection"),
}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(architecture: Architecture, height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(1, architecture.inputs, height, width, generator=rng(1)).to(dtype)


def image_and_gradients(network: Generator, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The image, and the gradient of a fixed random functional of it; a bias left out has gradient zero."""
    network.zero_grad()
    image = network(z)
    image.backward(torch.randn(image.shape, generator=rng(2)).to(image.dtype))
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in network.named_parameters()
    }
    return image.detach(), gradients


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).detach().norm() / expected.detach().norm())


def assert_same_function(
    plain: Generator, fast: Generator, z: Tensor, tolerance: float, floor: float = 1e-2
) -> None:
    """Image and gradient of each parameter agree; `floor` is the share of the whole gradient's norm
    below which a parameter's own is rounding (what a batch norm undoes, a bias or a scale, has none).
    """
    image, gradients = image_and_gradients(plain, z)
    fast_image, fast_gradients = image_and_gradients(fast, z)
    assert relative(fast_image, image) < tolerance
    whole = torch.cat([gradient.flatten() for gradient in gradients.values()]).norm()
    for name, gradient in gradients.items():
        size = max(gradient.norm(), floor * whole)
        assert (fast_gradients[name] - gradient).norm() < tolerance * size, name


@pytest.fixture(params=SETTINGS, ids=lambda name: name.replace(" ", "-"))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return SETTINGS[request.param]


@pytest.fixture(params=[1, 32], ids=["rewritten-everywhere", "as-shipped"])
def worthwhile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_generator, "WORTHWHILE", request.param)


def test_published_size() -> None:
    assert sum(p.numel() for p in Generator(PUBLISHED, rng()).parameters()) == 2_606_763


def test_image_range_and_size() -> None:
    image = Generator(SMALL, rng())(noise(SMALL, 32, 40))
    assert image.shape == (1, 3, 32, 40)
    assert image.min() >= 0
    assert image.max() <= 1


@pytest.mark.usefixtures("worthwhile")
@pytest.mark.parametrize("size", [(32, 32), (40, 64)], ids=str)
def test_fast_is_plain_in_float64(architecture: Architecture, size: tuple[int, int]) -> None:
    plain, fast = (kind(architecture, rng()).double() for kind in (Generator, FastGenerator))
    assert_same_function(plain, fast, noise(architecture, *size, torch.float64), 1e-10)


@pytest.mark.usefixtures("worthwhile")
def test_fast_is_plain_in_float32(architecture: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the kink of the LeakyReLU: beside it, rounding alone flips signs, and the plain form
    # itself is then no closer than 1e-2 to its float64 gradient.
    monkeypatch.setattr(generator, "LEAK", 1.0)
    monkeypatch.setattr(fast_generator, "LEAK", 1.0)
    plain, fast = (kind(architecture, rng()) for kind in (Generator, FastGenerator))
    assert_same_function(plain, fast, noise(architecture, 32, 32), 1e-5, floor=1)


def test_fast_is_plain_at_the_published_size() -> None:
    plain, fast = Generator(PUBLISHED, rng()), FastGenerator(PUBLISHED, rng())
    z = 0.1 * noise(PUBLISHED, 256, 256)
    with torch.no_grad():
        assert relative(fast(z), plain(z)) < 1e-4


def test_fast_is_close_in_bf16(architecture: Architecture) -> None:
    fast = FastGenerator(architecture, rng())
    z = noise(architecture, 32, 32)
    image, _ = image_and_gradients(fast, z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough, gradients = image_and_gradients(fast, z)
    assert rough.dtype == torch.float32
    assert (rough - image).abs().mean() < 0.02
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}


def test_fast_and_plain_share_their_state() -> None:
    plain, fast = Generator(SMALL, rng()), FastGenerator(SMALL, rng(7))
    fast.load_state_dict(plain.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), fast.parameters(), strict=True))


def test_evaluation_mode_changes_nothing() -> None:
    network, z = FastGenerator(SMALL, rng()), noise(SMALL, 32, 32)
    assert torch.equal(network(z), network.eval()(z))


def test_first_use_may_be_in_inference_mode() -> None:
    network, z = FastGenerator(SMALL, rng()), noise(SMALL, 32, 32)
    with torch.inference_mode():
        network(z)
    network(z).sum().backward()


def test_initial_weights_come_from_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (Generator(SMALL, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.output.weight, other.output.weight)


def test_initial_weights_have_pytorchs_default_spread() -> None:
    conv = generator.convolution(32, 64, 5, "zero", rng())
    bound = (32 * 5 * 5) ** -0.5
    for parameter in conv.parameters():
        size = parameter.detach().abs()
        assert size.max() <= bound
        assert float(size.mean()) == pytest.approx(bound / 2, rel=0.2)
