"""Numbers that were wrong: each is what it says, whatever it is asked through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import invert
from invert.api import evidence_of
from invert.engine.problem import Problem
from invert.measures import Evidence, measure_run
from invert.photos import default_photo
from invert.subjects.attribution import attribution_map
from invert.sweeps.growth import differences
from invert.sweeps.request import Request
from invert.testing import tiny_subject


def match(layer: str = "conv") -> invert.FeatureMatch:
    return invert.FeatureMatch(layer, default_photo())


@pytest.mark.parametrize("weight", [10.0, 0.01])
def test_a_feature_error_is_that_of_the_features_whatever_their_weight(weight: float) -> None:
    plain = invert.run(tiny_subject(), match(), "none", steps=3, precision="fp32")
    subject = tiny_subject()
    weighted = Problem.pose(subject, weight * match(), invert.prior("none"))
    assert measure_run(evidence_of(weighted, plain.image))["feature_error"] == plain.feature_error


def test_until_is_about_the_features_whatever_their_weight() -> None:
    plain = invert.run(tiny_subject(), match(), "none", steps=300, until=0.1, precision="fp32")
    for objective in (10 * match(), match() + 0.5 * invert.Channel("relu", 1), 3 * (2 * match())):
        result = invert.run(tiny_subject(), objective, "none", steps=300, until=0.1, precision="fp32")
        assert result.stopped == "until"
        assert result.feature_error is not None and 0.05 < result.feature_error <= 0.1
    assert plain.stopped == "until"


def test_of_several_layers_the_error_is_that_of_the_worst() -> None:
    subject = tiny_subject()
    photo = subject.image(default_photo())
    grey = torch.full_like(photo, 0.5)
    errors = []
    for layer in ("conv", "fc"):
        bound = invert.FeatureMatch(layer, photo).bind(subject)
        errors.append(float(bound(grey, subject.activations(grey, [layer]))))
    both = Problem.pose(subject, match("conv") + 0.1 * match("fc"), invert.prior("none"))
    assert measure_run(evidence_of(both, grey))["feature_error"] == pytest.approx(max(errors), rel=1e-5)


def test_a_sum_hands_on_what_its_terms_hold() -> None:
    subject = tiny_subject()
    odds, unit = invert.ClassLogOdds("class 2", enough=8.0), invert.Channel("conv", 1)
    features = (0.1 * odds + match()).bind(subject)
    assert torch.equal(features.original, subject.image(default_photo()))
    assert features.target_index == 2 and features.floor is None
    assert (2 * odds).bind(subject).floor == -16.0
    assert (odds + 0.5 * odds).floor == -12.0
    assert (odds - 0.5 * odds).floor is None
    assert (odds + unit).floor is None
    assert (odds + unit).bind(subject).target_index == 2
    assert (odds - invert.ClassScore("class 1")).bind(subject).target_index is None
    assert (match() + odds).preset == "inversion" and (unit + match()).preset == "maximisation"
    result = invert.run(subject, match() + 0.1 * odds, "none", steps=2)
    assert result.original is not None and result.measures["psnr"] is not None
    assert result.measures["target_probability"] is not None


def test_what_a_unit_reached_is_its_own_activation_whatever_its_weight() -> None:
    subject = tiny_subject()
    unit = invert.Channel("conv", 1)
    image = subject.image(default_photo())
    numbers = [
        measure_run(evidence_of(Problem.pose(subject, objective, invert.prior("none")), image))
        for objective in (unit, 10 * unit, match() + 0.1 * unit)
    ]
    reached = float(subject.activations(image, ["conv"])["conv"][0, 1].mean())
    assert [n["target_score"] for n in numbers] == pytest.approx([reached] * 3, rel=1e-5)
    two = Problem.pose(subject, unit - invert.Channel("conv", 2), invert.prior("none"))
    assert measure_run(evidence_of(two, image))["target_score"] is None


class ChannelsLast(nn.Module):
    """Maps `(B, H, W, C)`, as in a Swin transformer; channel 5 is bright where the picture is red."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, stride=4)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2)))


def channels_last() -> invert.Subject:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return invert.wrap(ChannelsLast(), size=32, mean=0.5, std=0.25, classes=tuple("abcd"))


def test_channels_are_counted_where_the_network_has_them() -> None:
    subject = channels_last()
    assert subject.layer("patches").shape == (12, 8, 8) and subject.layer("patches").channel_axis == 0
    assert subject.layer("norm").shape == (8, 8, 12) and subject.layer("norm").channel_axis == 2
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    values = subject.activations(image, ["norm"])
    channel = invert.Channel("norm", 11).bind(subject)  # of 8 rows there is no number 11
    assert torch.allclose(channel(image, values), -values["norm"][..., 11].mean((1, 2)))
    neuron = invert.Neuron("norm", 11, (1, 6)).bind(subject)
    assert torch.equal(neuron(image, values), -values["norm"][:, 1, 6, 11])
    direction = invert.Direction("norm", (*[0.0] * 11, 2.0)).bind(subject)
    assert torch.allclose(direction(image, values), channel(image, values))
    with pytest.raises(invert.RequestError, match="its units are 0 to 11"):
        invert.Channel("norm", 12).bind(subject)
    with pytest.raises(invert.RequestError, match="8 × 8"):
        invert.Neuron("norm", 0, (8, 0)).bind(subject)


@pytest.mark.parametrize(
    ("model", "layer", "channels"),
    [
        ("swin_t", "features.1", 96),
        ("convnext_tiny", "features.1.0.block.3", 384),
        ("convnext_tiny", "features.1", 96),
    ],
)
def test_of_real_networks_too(model: str, layer: str, channels: int) -> None:
    subject = invert.load(model, "random")
    invert.Channel(layer, channels - 1).bind(subject)
    with pytest.raises(invert.RequestError, match=f"0 to {channels - 1}"):
        invert.Channel(layer, channels).bind(subject)


def test_no_attribution_map_of_a_layer_whose_first_axis_is_no_channel() -> None:
    subject = channels_last()
    image = subject.image(default_photo())
    assert attribution_map(subject, "patches", image, 0) is not None
    assert attribution_map(subject, "norm", image, 0) is None


def test_an_embedding_has_no_classes() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 16))
    for classes, known in ((None, False), ([f"c{i}" for i in range(16)], True)):
        subject = invert.wrap(network, size=32, mean=0.5, std=0.25, classes=classes)
        result = invert.run(subject, match("0"), "none", steps=1)
        assert (result.measures["same_top1"] is not None) == known
        assert (result.measures["class_divergence"] is not None) == known
        image = subject.image(default_photo())
        asked = measure_run(Evidence(subject, invert.ClassScore(3), image, target_index=3))
        assert asked["target_rank"] is not None, "who asks for output 3 says that outputs are classes"


def test_a_picture_is_the_same_as_array_and_as_tensor() -> None:
    subject = tiny_subject()
    subject.crop = 0.875
    picture = np.asarray(Image.open(default_photo()).convert("RGB").resize((32, 32)))
    tensor = torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255
    assert torch.equal(subject.image(picture), subject.image(tensor))
    assert torch.equal(subject.image(tensor), tensor[None]), "cut already"
    large = np.asarray(Image.open(default_photo()).convert("RGB").resize((64, 64)))
    assert not torch.equal(
        subject.image(large)[0], torch.from_numpy(large.copy())[::2, ::2].permute(2, 0, 1) / 255
    )


@pytest.mark.parametrize("prior", ["tv", "dip", "none"])
@pytest.mark.parametrize("objective", [invert.ClassScore(1), match()], ids=["class", "features"])
def test_a_prior_is_the_same_by_name_and_made(prior: str, objective: invert.Objective) -> None:
    by_name, made = (
        invert.run(tiny_subject(), objective, p, steps=2, views=0) for p in (prior, invert.prior(prior))
    )
    assert by_name.prior == made.prior and torch.equal(by_name.image, made.image)
    of_class = type(made.prior)()
    assert invert.run(tiny_subject(), objective, of_class, steps=2, views=0).prior == made.prior


def test_what_was_named_is_kept_where_the_rest_suits_the_objective() -> None:
    named = invert.prior("tv", weight=0.1)  # its default, but asked for
    used = invert.run(tiny_subject(), invert.ClassScore(1), named, steps=1, views=0).prior
    assert (used.weight, used.steps) == (0.1, 300)  # type: ignore[attr-defined]
    paper = invert.prior("dip", preset="paper")
    assert paper.suited("maximisation") == paper
    assert invert.prior("tv").suited("inversion") == invert.prior("tv")


@pytest.mark.parametrize(
    "photo",
    [
        "photo.png",
        torch.zeros(3, 4, 4),
        np.zeros((4, 4, 3), np.uint8),
        Image.new("RGB", (4, 4)),
        Path("photo.png"),
    ],
    ids=lambda photo: type(photo).__name__,
)
def test_objectives_can_be_compared_and_hashed(photo: Any) -> None:
    one, same = invert.FeatureMatch("conv", photo), invert.FeatureMatch("conv", photo)
    others = [invert.FeatureMatch("relu", photo), invert.FeatureMatch("conv", torch.ones(3, 4, 4))]
    assert one == same and hash(one) == hash(same)
    assert all(one != other for other in others) and one != invert.Channel("conv", 0)
    assert len({one, same, *others}) == 3
    assert 2 * one == 2 * same


def test_a_bound_one_is_another_for_another_network() -> None:
    bound = match().bind(tiny_subject())
    assert bound == match().bind(tiny_subject())
    other = tiny_subject()
    other.model.conv.weight.data.mul_(2)  # type: ignore[union-attr, operator]
    assert bound != match().bind(other)


def test_the_picture_shown_holds_no_input_noise() -> None:
    """The generator of a run with noise, drawn again without: that is the picture."""
    prior = invert.prior("dip", input_noise=0.3, channels=(4, 6), skip_channels=(2, 2), kernels_down=(5, 3),
                         kernels_up=(5, 3))  # fmt: skip
    problem = Problem.pose(tiny_subject(), match(), prior)
    optimisation = problem.optimisation([0], 1, precision="fp32")
    with torch.no_grad():
        clean = optimisation.canvas()
    *_, stopped = optimisation
    assert torch.equal(stopped.best, clean) and torch.equal(stopped.last, clean)  # type: ignore[union-attr]


def test_an_option_that_came_later_does_not_bar_a_folder_from_going_on() -> None:
    asked = Request(model="alexnet-mini", layer=("conv1",), seeds=(0,)).as_json()
    made_by = {name: value for name, value in asked.items() if name != "stop"}
    assert differences(asked, made_by) == []
    assert len(differences(asked | {"stop": ["plateau"]}, made_by)) == 1
    assert len(differences(asked, made_by | {"steps": 3})) == 1
