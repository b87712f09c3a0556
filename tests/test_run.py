"""Inversions from the library, on every kind of network."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

import invert
from invert import registry
from invert.engine.problem import Problem, learning_rate
from invert.photos import default_photo
from invert.testing import tiny_subject

PRIORS = registry.names("invert.priors")

ONE_CHANNEL = """
from torch import nn
def net():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16 * 256, 4),
    )
"""


def one_channel_network(folder: Path) -> invert.Subject:
    (folder / "net.py").write_text(ONE_CHANNEL)
    return invert.load(f"{folder / 'net.py'}:net", size=32, mean=(0.5,), std=(0.5,))


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[invert.Subject, str]]:
    """A network of each troublesome kind, and a middle layer of it."""
    return {
        "vision transformer": (invert.load("timm:vit_tiny_patch16_224", "random"), "blocks.3"),
        "one channel, 32 px": (one_channel_network(tmp_path_factory.mktemp("own")), "3"),
        "in-place and reused ReLUs": (invert.load("resnet18", "random"), "layer2.0.relu:2"),
    }


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", ["vision transformer", "one channel, 32 px", "in-place and reused ReLUs"])
def test_a_middle_layer_of_any_network_inverts(
    subjects: dict[str, tuple[invert.Subject, str]], kind: str, prior: str
) -> None:
    subject, layer = subjects[kind]
    result = invert.run(
        subject, invert.FeatureMatch(layer, default_photo()), prior, steps=6, precision="fp32"
    )
    assert result.image.shape == (1, *subject.input_shape)
    assert float(result.loss.min()) < float(result.loss[0])
    assert result.feature_error is not None
    assert result.feature_error <= float((result.loss + result.penalty)[0])


@pytest.mark.parametrize("prior", PRIORS)
def test_the_same_seed_gives_the_same_bits(prior: str) -> None:
    objective = invert.FeatureMatch("relu", default_photo())
    one, same, other = (
        invert.run(tiny_subject(), objective, prior, steps=4, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(one.image, same.image)
    assert torch.equal(one.loss, same.loss)
    assert not torch.equal(one.image, other.image)


@pytest.mark.parametrize("prior", PRIORS)
def test_seeds_solved_together_end_where_they_end_alone(prior: str) -> None:
    problem = Problem.pose(tiny_subject(), invert.FeatureMatch("relu", default_photo()), invert.prior(prior))
    *_, together = problem.optimisation([0, 1], 5, precision="fp32")
    *_, alone = problem.optimisation([1], 5, precision="fp32")
    torch.testing.assert_close(together.best[1], alone.best[0], rtol=0, atol=1e-4)


def test_the_published_generator_has_its_published_size() -> None:
    subject = invert.load("alexnet", "random")
    problem = Problem.pose(subject, invert.FeatureMatch("fc6", default_photo()), invert.prior("dip"))
    assert problem.optimisation([0], 1).parameters == 2_606_763


def test_a_run_that_reaches_until_says_so() -> None:
    objective = invert.FeatureMatch("conv", default_photo())
    result = invert.run(tiny_subject(), objective, "none", steps=300, until=0.1, precision="fp32")
    assert result.stopped == "until"
    assert result.feature_error == pytest.approx(float(result.loss[-1]), rel=1e-4)
    assert result.feature_error <= 0.1


def test_a_result_shows_itself_and_escapes_names() -> None:
    result = invert.run(tiny_subject(), invert.FeatureMatch("relu", default_photo()), "none", steps=1)
    page = result._repr_html_()
    assert page.count("data:image/png;base64,") == 2
    assert "features at relu" in page


def test_a_layer_that_is_zero_has_nothing_to_match() -> None:
    subject = tiny_subject()
    subject.model.conv.weight.data.zero_()  # type: ignore[union-attr, operator]
    subject.model.conv.bias.data.fill_(-1)  # type: ignore[union-attr, operator]
    with pytest.raises(invert.RequestError, match="zero everywhere"):
        invert.run(subject, invert.FeatureMatch("relu", default_photo()), "none", steps=1)


def test_the_rate_climbs_and_falls_as_the_prior_says() -> None:
    prior = invert.prior("none", learning_rate=0.1, warmup=0.2, decay=0.1)
    rates = [learning_rate(prior, step / 100) for step in range(101)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 20
    assert rates[0] < 0.002
    assert rates[-1] == pytest.approx(0.01)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    invert.run(tiny_subject(), invert.FeatureMatch("relu", default_photo()), "dip", steps=1)
    assert torch.equal(before, torch.get_rng_state())


def test_bf16_ends_at_the_quality_of_fp32() -> None:
    """On the trained network; the errors are evaluated in fp32 either way."""
    subject = invert.load("alexnet-mini")
    objective = invert.FeatureMatch("relu3", default_photo())
    full, half = (
        invert.run(subject, objective, "tv", steps=60, precision=precision).feature_error or 0
        for precision in ("fp32", "bf16")
    )
    assert half == pytest.approx(full, rel=0.1)


def test_the_bf16_network_is_the_network() -> None:
    subject = invert.load("alexnet-mini")
    image = subject.image(default_photo())
    half = subject.prepared(["output"], torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = half.logits(image).float()
    assert half.sha256 != subject.sha256
    torch.testing.assert_close(logits, subject.logits(image), rtol=0.1, atol=0.2)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_only_what_runs_is_prepared(dtype: torch.dtype | None) -> None:
    subject = invert.load("alexnet-mini")
    twin = subject.prepared(["relu3"], dtype)
    own = dict(subject.model.named_parameters())
    changed = {name: weight for name, weight in twin.model.named_parameters() if weight is not own[name]}
    assert {name.split(".")[-2] for name in changed} == {"conv1", "conv2", "conv3"}
    for name, weight in changed.items():
        assert weight.dtype == (dtype or torch.float32)
        if weight.ndim == 4:
            assert weight.is_contiguous(memory_format=torch.channels_last)
            assert own[name].is_contiguous()


def test_a_network_that_cannot_be_copied_runs_as_it_is() -> None:
    subject = tiny_subject()
    subject.model.lock = threading.Lock()  # type: ignore[assignment]
    assert subject.prepared(["relu"], torch.bfloat16) is subject
    for precision in ("fp32", "bf16"):
        result = invert.run(
            subject, invert.FeatureMatch("relu", default_photo()), steps=2, precision=precision
        )
        assert result.steps == 2


def test_the_photo_is_cut_once() -> None:
    """What a sweep shows, matches and measures is one image, also where the weights crop: 224 of 256."""
    subject = invert.load("squeezenet1_1", "random")
    assert subject.crop < 1
    image = subject.image(default_photo())
    torch.testing.assert_close(subject.image(image), image)
    problem = Problem.pose(subject, invert.FeatureMatch("features.0", image), invert.prior("none"))
    assert problem.objective.original is not None
    torch.testing.assert_close(problem.objective.original, image)
    assert float(problem.loss(image)) == pytest.approx(0, abs=1e-9)
