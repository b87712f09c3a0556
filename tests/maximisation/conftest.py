"""A classifier small enough to be driven up in a test."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

import invert

CLASSES = ("zebra", "golf ball", "English springer", "crane", "crane fly")


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(3, 8, 5, padding=2),
            relu1=nn.ReLU(inplace=True),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(8, 12, 3, padding=1),
            relu2=nn.ReLU(inplace=True),
            pool2=nn.AdaptiveAvgPool2d(4),
            flatten=nn.Flatten(),
            fc3=nn.Linear(12 * 16, 16),
            relu3=nn.ReLU(),
            fc4=nn.Linear(16, len(CLASSES)),
        )
    )


@pytest.fixture
def subject() -> invert.Subject:
    return invert.wrap(small_network(), size=32, mean=0.5, std=0.25, classes=CLASSES)
