"""Layers go by their module path, by the names of the literature, and by near names in errors."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from invert.errors import RequestError
from invert.subjects import Subject, load, wrap
from invert.subjects.layers import MOST

ALEXNET = [
    *("conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "conv3", "relu3", "conv4", "relu4"),
    *("conv5", "relu5", "pool5", "fc6", "relu6", "fc7", "relu7", "fc8"),
]


def aliases(subject: Subject) -> list[str]:
    return [layer.aliases[0] for layer in subject.layers if layer.aliases]


def test_alexnet_goes_by_the_literature(alexnet: Subject) -> None:
    assert aliases(alexnet) == ALEXNET
    assert alexnet.layer("conv5").name == "features.10"
    assert alexnet.layer("features.10") == alexnet.layer("conv5") == alexnet.layer("conv5:1")
    assert alexnet.layer("fc6").shape == (4096,) and alexnet.layer("pool5").shape == (256, 6, 6)
    assert alexnet.layers[-1].name == "output"


def test_the_bundled_network_goes_by_the_literature_natively() -> None:
    subject = load("alexnet-mini", weights="random")
    assert [layer.name for layer in subject.layers if layer.name in ALEXNET] == ALEXNET
    assert subject.layer("fc6").kind == "Linear"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "vgg11",
            {"conv1_1": "features.0", "pool1": "features.2", "conv5_2": "features.18", "fc8": "classifier.6"},
        ),
        (
            "vgg16_bn",
            {"conv1_2": "features.3", "bn1_2": "features.4", "pool5": "features.43", "fc6": "classifier.0"},
        ),
    ],
)
def test_vgg_goes_by_the_literature(model: str, expected: dict[str, str]) -> None:
    from torchvision.models import get_model

    from invert.subjects.layers import literature_names

    with torch.device("meta"):  # the structure is enough
        network = get_model(model, weights=None)
    names = {alias: path for path, alias in literature_names(network).items()}
    assert {alias: names[alias] for alias in expected} == expected
    convolutions = [alias for alias in names if alias.startswith("conv")]
    assert len(convolutions) == int(model[3:5]) - 3 and convolutions[-1].startswith("conv5_")


def test_a_bare_name_of_several_calls_says_which_there_are(reuser: Subject) -> None:
    with pytest.raises(
        RequestError, match="'relu' is ambiguous: it is called 2 times, so say relu:1 or relu:2"
    ):
        reuser.layer("relu")


def test_a_module_registered_twice_goes_by_both_names() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.again = self.conv

        def forward(self, x: Tensor) -> Tensor:
            return self.again(x)

    subject = wrap(Twice(), size=4, mean=(0, 0, 0), std=(1, 1, 1))
    assert subject.layer("again") == subject.layer("conv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv6", "unknown layer 'conv6': did you mean conv"),
        ("fc9", "did you mean fc"),
        ("features.99", "did you mean features.9"),
        ("conv1:2", "unknown layer 'conv1:2'"),
        ("conv1[1]", "unknown layer"),
        ("", "unknown layer"),
    ],
)
def test_a_layer_that_is_not_there(alexnet: Subject, name: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        alexnet.layer(name)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_module_that_is_never_called_says_so(reuser: Subject) -> None:
    with pytest.raises(RequestError, match="never calls"):
        reuser.layer("unused")


def test_a_module_named_output_does_not_hide_the_output() -> None:
    class Ends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Conv2d(3, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.output(x).mean((2, 3))

    subject = wrap(Ends(), size=4, mean=(0, 0, 0), std=(1, 1, 1))
    assert subject.layer("output").shape == (5,)
    assert subject.layer("output:1").shape == (5, 4, 4)


def test_shares_compare_with_the_input(alexnet: Subject) -> None:
    assert alexnet.layer("conv1").share == pytest.approx(64 * 55 * 55 / (3 * 224 * 224))
    assert alexnet.layer("fc8").share == pytest.approx(1000 / (3 * 224 * 224))


def test_the_readable_set_of_alexnet(alexnet: Subject) -> None:
    assert alexnet.main_layers == (
        *("relu1", "pool1", "relu2", "pool2", "relu3", "relu4", "relu5", "pool5", "fc6", "fc7", "fc8"),
    )


@pytest.mark.parametrize(
    ("fixture", "expected"),
    [
        ("resnet", {"maxpool", "layer1", "layer2", "layer3", "layer4", "fc"}),
        ("vit", {"patch_embed", "blocks.0", "blocks.11", "head"}),
        ("reuser", {"conv1", "relu:1", "conv2", "relu:2", "head"}),
        ("packer", {"halves", "named"}),
    ],
)
def test_the_readable_set(fixture: str, expected: set[str], request: pytest.FixtureRequest) -> None:
    subject: Subject = request.getfixturevalue(fixture)
    shown = subject.main_layers
    assert expected <= set(shown) and len(shown) <= MOST
    order = [layer.name for layer in subject.layers]
    assert sorted(shown, key=order.index) == list(shown)


def test_a_network_that_blocks_gradients_says_so() -> None:
    class Blocked(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).detach()

    with pytest.raises(RequestError, match="lets no gradient through"):
        _ = wrap(Blocked(nn.Conv2d(3, 3, 1)), size=4, mean=(0, 0, 0), std=(1, 1, 1)).layers


def test_a_size_that_the_network_does_not_take() -> None:
    with pytest.raises(RequestError, match="alexnet does not take images of 3 × 16 × 16: "):
        load("alexnet", weights="random", size=16)


def test_a_layer_may_be_called_by_a_number_of_thousands_of_digits() -> None:
    name = f"fc{'9' * 5000}"
    parts = {"conv": nn.Conv2d(3, 4, 8), "flat": nn.Flatten(), name: nn.Linear(4, 4), "last": nn.Linear(4, 2)}
    subject = wrap(nn.Sequential(OrderedDict(parts)), size=8, mean=0.5, std=0.5)
    assert name in subject.main_layers
