"""Pictures of which something else than a layer's code is known, with no network in sight."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import invert
from invert import images
from invert.measures import RowEvidence, measure_row
from invert.photos import default_photo
from invert.protocols import Activations, Objective, Shape
from invert.testing import tiny_subject

SIDE = 64


def photo() -> Tensor:
    return images.to_tensor(default_photo(), (3, SIDE, SIDE))


def half(seed: int = 0) -> invert.Observation:
    return invert.Observation(invert.operator("mask", share=0.5), photo(), seed=seed)


def test_half_of_the_pixels_bring_back_the_picture() -> None:
    result = invert.restore(half(), "tv", steps=150)
    bound = half().bind(None)
    assert result.original is not None and torch.equal(result.original, photo())
    holes = float((bound.seen - photo()).square().mean())
    assert float((result.image - photo()).square().mean()) < 0.1 * holes
    assert result.feature_error is None and result.measures["same_top1"] is None
    psnr = result.measures["psnr"]
    assert psnr is not None and psnr > 22


def test_known_pixels_are_put_back() -> None:
    bound = half().bind(None)
    assert bound.observer is not None and bound.target is not None
    result = invert.restore(half(), "none", steps=2)
    assert torch.equal(bound.observer(result.image), bound.target)
    anything = torch.rand(2, 3, SIDE, SIDE)
    agreed = bound.consistent(anything)
    known = bound.observer.get_buffer("known")
    assert torch.equal(agreed[:, :, known], photo()[:, :, known].expand(2, -1, -1))
    assert torch.equal(agreed[:, :, ~known], anything[:, :, ~known])


def test_the_measures_are_those_of_the_picture_given_back() -> None:
    result = invert.restore(half(), "none", steps=2)
    error = float((result.image - photo()).double().square().mean())
    assert result.measures["psnr"] == pytest.approx(-10 * torch.tensor(error).log10().item(), abs=1e-3)


def test_what_is_random_in_an_observation_is_the_same_for_every_run() -> None:
    one, same, other = half().bind(None), half().bind(None), half(seed=1).bind(None)
    assert torch.equal(one.seen, same.seen) and not torch.equal(one.seen, other.seen)
    assert half() == half() and hash(half()) == hash(half()) and half() != half(seed=1)
    assert float((one.seen == 0.5).all(1).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_a_noisy_picture_is_agreed_with_as_far_as_its_noise() -> None:
    sigma = 0.1
    noisy = invert.Observation(invert.operator("identity", sigma=sigma), photo()).bind(None)
    flat = torch.full((1, 3, SIDE, SIDE), 0.5)
    agreed = noisy.consistent(flat)
    assert float((agreed - noisy.seen).square().mean().sqrt()) == pytest.approx(sigma, rel=1e-3)
    exact = invert.Observation(invert.operator("identity"), photo()).bind(None)
    assert torch.equal(exact.consistent(flat), photo())


def test_kept_free_and_invented_need_no_network() -> None:
    """Half of the pixels, scattered, hold detail up to 16 cycles or so; finer detail is the prior's."""
    crops = [photo(), images.to_tensor(default_photo(), (3, 2 * SIDE, 2 * SIDE))[..., :SIDE, 32:-32]]
    operator = invert.operator("mask", share=0.5)
    runs = [
        torch.cat([
            invert.restore(invert.Observation(operator, crop), "tv", steps=150, seed=seed).image
            for seed in range(2)
        ])
        for crop in crops
    ]  # fmt: skip
    row = RowEvidence(None, "half of the pixels", torch.cat(crops), torch.stack(runs), 0.5)
    numbers = measure_row(row)[0]
    kept = {octave: numbers[f"kept.cycles.{octave}"] or 0.0 for octave in ("1-4", "4-8", "8-16", "16-32")}
    assert kept["1-4"] > 0.95 and kept["4-8"] > 0.95 and kept["8-16"] > 0.85 and kept["16-32"] < 0.6, kept
    another = measure_row(row.of_another_photo())[0]
    assert all((another[f"kept.cycles.{octave}"] or 0.0) < 0.05 for octave in kept), another


@dataclass(frozen=True, eq=False)
class Inpaint(Objective):
    """As somebody would write it who knows nothing of operators."""

    photo: Tensor
    known: Tensor

    @property
    def layers(self) -> tuple[str, ...]:
        return ()

    @property
    def shape(self) -> Shape:
        channels, height, width = self.photo.shape[1:]
        return channels, height, width

    @property
    def original(self) -> Tensor:
        return self.photo

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return ((image - self.photo) * self.known).square().flatten(1).mean(1)


@pytest.mark.parametrize("beside", [None, tiny_subject()], ids=["no network", "a network beside"])
def test_inpainting_posed_through_the_library_is_inpainting(beside: invert.Subject | None) -> None:
    """It crashed without a network, and with one it was class maximisation: views, preset and all."""
    picture = images.to_tensor(default_photo(), (3, 32, 32))
    known = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) > 0.5
    result = invert.run(beside, Inpaint(picture, known), "none", steps=120)
    assert result.views is None and result.prior == invert.prior("none")
    assert torch.equal(result.original, picture)  # type: ignore[arg-type]
    assert float(((result.image - picture) * known).abs().max()) < 0.1
    assert result.measures["psnr"] is not None
    assert result.measures["target_score"] is None and result.measures["feature_error"] is None


def test_an_observation_and_a_layer_add_up() -> None:
    subject = tiny_subject()
    both = invert.FeatureMatch("conv", default_photo()) + invert.Observation(
        invert.operator("mask"), default_photo()
    )
    result = invert.run(subject, both, "none", steps=3)
    assert result.image.shape == (1, 3, 32, 32) and result.feature_error is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: invert.run(None, invert.FeatureMatch("conv", photo())), "reads conv: it needs a network"),
        (lambda: invert.run(None, invert.ClassScore(1)), "needs a network"),
        (lambda: invert.operator("mask", share=1.5), "share is 1.5: it must lie between 0 and 1"),
        (lambda: invert.operator("mask", shape=0.5), "did you mean share"),
        (lambda: invert.operator("maks"), "did you mean mask"),
        (lambda: invert.stop("plateau", patience=0), "patience is 0: it must be 1 or more"),
        (lambda: invert.prior("none", keep="worst"), "keep is 'worst': choose from best, last"),
        (
            lambda: invert.restore(invert.Observation(invert.operator("mask"), torch.zeros(3, 8, 8)), "none"),
            "nothing is seen of this photo",
        ),
        (lambda: half()(photo(), {}), "bind the objective first"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_asked_is_said_in_one_line(call: object, message: str) -> None:
    with pytest.raises(invert.RequestError, match=message) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_a_prior_says_what_of_the_steps_is_the_picture() -> None:
    best, last, mean = (
        invert.restore(half(), invert.prior("tv", keep=keep, learning_rate=0.5), steps=20)
        for keep in ("best", "last", "mean")
    )
    assert torch.equal(last.image, half().bind(None).consistent(last.last))
    assert not torch.equal(mean.image, best.image) and not torch.equal(mean.image, last.image)
