"""The bundled classifier: AlexNet's plan, small, for ten everyday classes.

The layers carry the names of the literature (Krizhevsky et al. 2012; Mahendran and
Vedaldi 2015): conv1 ... pool5, fc6, relu6, fc7, relu7, fc8. It was trained from scratch
by ``examples/train_classifier.py``; ``docs/model-card.md`` says on what and how well.
"""

from __future__ import annotations

from collections import OrderedDict
from importlib.resources import files

import safetensors.torch
from torch import Tensor, nn

from invert.errors import RunError, unknown
from invert.subjects.sources.network import Given, Network
from invert.subjects.sources.preprocessing import Preprocessing

NAME = "alexnet-mini"

SIZE = 128
"""Height and width of the photos it was trained for, in pixels."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Per RGB channel, for images in [0, 1]: the network expects ``(image - MEAN) / STD``."""

CLASSES = (
    "cassette player",
    "chain saw",
    "church",
    "English springer",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
    "tench",
)
"""ImageNet's names of the ten classes, in the order of the outputs of ``fc8``."""

WEIGHTS = "alexnet_mini.safetensors"
"""File name of the bundled weights, beside this module."""


def alexnet_mini(classes: int = len(CLASSES), dropout: float = 0.5) -> nn.Sequential:
    """The network with random weights: ``(B, 3, 128, 128)`` normalised -> ``(B, classes)``.

    The output is logits. Photos of other sizes go through too: ``avgpool`` brings what
    ``pool5`` gives (8 x 8 at 128 px) to 4 x 4.
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, 48, kernel_size=7, stride=2, padding=3),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            conv2=nn.Conv2d(48, 128, kernel_size=5, padding=2),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            conv3=nn.Conv2d(128, 192, kernel_size=3, padding=1),
            relu3=nn.ReLU(),
            conv4=nn.Conv2d(192, 192, kernel_size=3, padding=1),
            relu4=nn.ReLU(),
            conv5=nn.Conv2d(192, 128, kernel_size=3, padding=1),
            relu5=nn.ReLU(),
            pool5=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            avgpool=nn.AdaptiveAvgPool2d(4),
            flatten=nn.Flatten(),
            drop6=nn.Dropout(dropout),
            fc6=nn.Linear(128 * 4 * 4, 512),
            relu6=nn.ReLU(),
            drop7=nn.Dropout(dropout),
            fc7=nn.Linear(512, 512),
            relu7=nn.ReLU(),
            fc8=nn.Linear(512, classes),
        )
    )


def bundled_state() -> dict[str, Tensor]:
    """The bundled weights by parameter name: float16 on disk, float32 as returned."""
    stored = safetensors.torch.load(files(__package__).joinpath(WEIGHTS).read_bytes())
    return {name: tensor.float() for name, tensor in stored.items()}


def trained_alexnet_mini() -> nn.Sequential:
    """The network with the bundled weights, in eval mode, in float32."""
    network = alexnet_mini()
    network.load_state_dict(bundled_state())
    return network.eval()


def names() -> list[str]:
    return [NAME]


def find(name: str, given: Given) -> Network:
    """The bundled network. Raises `RequestError` for another name."""
    if name != NAME:
        raise unknown("bundled model", name, names())

    def published() -> nn.Module:
        try:
            return trained_alexnet_mini()
        except OSError as error:
            raise RunError(
                f"the bundled weights are missing from this installation ({error}): reinstall invert"
            ) from error

    return Network(
        build=lambda count: alexnet_mini(count or len(CLASSES)),
        published=published,
        source="bundled",
        classes=CLASSES,
        preprocessing=Preprocessing(input_shape=(3, *(given.sides or (SIZE, SIZE))), mean=MEAN, std=STD),
    )
