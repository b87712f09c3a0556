"""What the user writes becomes the right network, or one line that says what would be right."""

from __future__ import annotations

import time
import urllib.error
from pathlib import Path

import pytest
import torch
from torch import nn

from invert.errors import RequestError, RunError
from invert.subjects import Subject, load, wrap
from invert.subjects.sources import online


def test_squeezenet_recognises_a_photo(squeezenet: Subject, shared: Path) -> None:
    photo = squeezenet.image(shared / "images/dip/feature_inversion/building.jpg")
    assert photo.shape == (1, 3, 224, 224) and photo.min() >= 0 and photo.max() <= 1
    ((index, name, probability), *_), *_ = squeezenet.top(photo)
    assert (index, name) == (727, "planetarium") and probability > 0.9
    assert squeezenet.weights == "file squeezenet1_1.safetensors"
    assert squeezenet.layer("features.12").shape == (512, 13, 13)


def test_random_weights_come_from_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (load("squeezenet1_1", weights="random", size=64, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.sha256 == same.sha256 != other.sha256
    assert one.weights == "random, seed 1"


def test_a_subject_is_frozen_and_in_evaluation_mode(resnet: Subject) -> None:
    assert not any(module.training for module in resnet.model.modules())
    assert not any(parameter.requires_grad for parameter in resnet.model.parameters())


def test_torchvision_metadata(alexnet: Subject) -> None:
    assert alexnet.input_shape == (3, 224, 224) and alexnet.crop == 224 / 256
    assert alexnet.classes is not None and alexnet.classes[340] == "zebra"
    assert load("torchvision:squeezenet1_1", weights="random", size=64).name == "torchvision:squeezenet1_1"


def test_timm_metadata(vit: Subject) -> None:
    assert vit.mean == vit.std == (0.5, 0.5, 0.5)
    assert (vit.crop, vit.interpolation) == (0.9, "bicubic")
    assert vit.classes is not None and vit.classes[340] == "zebra" and len(set(vit.classes)) >= 999


def test_the_preprocessing_can_be_overridden() -> None:
    subject = load("squeezenet1_1", weights="random", size=(64, 96), mean=0.5, std=(0.2, 0.2, 0.3))
    assert subject.input_shape == (3, 64, 96)
    assert (subject.mean, subject.std) == ((0.5, 0.5, 0.5), (0.2, 0.2, 0.3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "a size is a side"),
        ({"size": "big"}, "a size is a side"),
        ({"mean": (0.5, 0.5)}, "mean has 2 values for 3 channels"),
        ({"mean": float("nan")}, "mean must be finite"),
        ({"std": 0.0}, "std must be above 0"),
        ({"std": "wide"}, "mean and std are numbers"),
    ],
)
def test_preprocessing_that_makes_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        load("squeezenet1_1", weights="random", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("alexnett", "unknown model 'alexnett': did you mean alexnet"),
        ("resnetv2_50", "did you mean timm:resnetv2_50?"),
        ("timm:vit_tiny_patch16_225", "did you mean vit_tiny_patch16_224"),
        ("timm:resnet18.nonsense", "unknown timm model"),
        ("torchvision:alex", "did you mean alexnet"),
        ("", "unknown model"),
        ("nowhere.py:make", "there is no such file"),
        ("a\nb", "unknown model 'a\\nb'"),
    ],
)
def test_a_model_that_is_not_there(model: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        load(model)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing was downloaded before, and nothing can be."""

    def refuse(*_args: object, **_settings: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    monkeypatch.setattr("invert.subjects.sources.from_timm._cached", lambda _config: None)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("model", ["alexnet", "timm:resnet18", "timm:vit_tiny_patch16_224"])
def test_offline_there_are_three_ways_out(model: str) -> None:
    started = time.monotonic()
    with pytest.raises(RunError) as caught:
        load(model)
    assert time.monotonic() - started < 30
    message = str(caught.value)
    assert "\n" not in message and model in message
    for way_out in ("--weights FILE", "alexnet-mini", "try again when online"):
        assert way_out in message


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "DEADLINE", 0.05)
    with pytest.raises(RunError, match="no answer within"):
        online.require_answer(lambda: time.sleep(1), "alexnet")


def test_an_http_error_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_args: object, **_settings: object) -> None:
        raise urllib.error.HTTPError("https://example.org", 403, "Forbidden", None, None)  # type: ignore[arg-type]

    monkeypatch.setattr("urllib.request.urlopen", forbidden)
    online.require_answer(lambda: online.answers("https://example.org"), "alexnet")


def test_wrapping_leaves_the_network_alone(reuser: Subject) -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), nn.Flatten(), nn.Linear(72, 4))
    subject = wrap(module, size=8, mean=0.1, std=0.3, classes=("a", "b", "c", "d"), name="mine")
    assert module.training and all(parameter.requires_grad for parameter in module.parameters())
    assert subject.input_shape == (1, 8, 8) and subject.mean == (0.1,) and subject.name == "mine"
    digest = subject.sha256
    with torch.no_grad():
        module[0].weight.zero_()
    assert wrap(module, size=8, mean=0.1, std=0.3).sha256 != digest
    assert subject.activations(torch.rand(1, 1, 8, 8), ["0"])["0"].std() > 0


def test_wrapping_with_a_wrong_number_of_classes() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 4))
    with pytest.raises(RequestError, match="classes: 3 names for 4 classes"):
        wrap(module, size=4, mean=0, std=1, classes=("a", "b", "c"))
    with pytest.raises(RequestError, match="is no classifier"):
        wrap(nn.Conv2d(3, 3, 1), size=4, mean=0, std=1, classes=("a", "b", "c"))
