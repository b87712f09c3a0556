"""Where a layer finds a class."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import invert
from invert.subjects.attribution import attribution_map, overlay


def looks_left() -> invert.Subject:
    """A network whose first class is how bright the left half of the picture is, its second the right."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 256, 2, bias=False)
    )
    left = torch.zeros(2, 16, 16)
    left[:, :, :8] = 1
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[3].weight.copy_(torch.stack([left.flatten(), 1 - left.flatten()]))
    return invert.wrap(network, size=16, mean=(0, 0, 0), std=(1, 1, 1), classes=["left", "right"])


@pytest.mark.parametrize("layer", ["0", "1", "3", "output"])
def test_a_class_is_found_where_it_looks(layer: str) -> None:
    """Also for layers without places, which show that of the last layer with some."""
    subject = looks_left()
    white = torch.zeros(1, 3, 16, 16)
    white[..., 4:8, :] = 1.0
    found = attribution_map(subject, layer, white, 0)
    assert found is not None
    assert found.shape == (16, 16)
    assert float(found.max()) == 1
    assert torch.nonzero(found.sum(1)).flatten().tolist() == [4, 5, 6, 7]


def test_a_class_found_nowhere_has_no_map() -> None:
    assert attribution_map(looks_left(), "1", torch.zeros(1, 3, 16, 16), 0) is None


def test_an_overlay_is_a_picture() -> None:
    picture = overlay(torch.rand(1, 1, 8, 8), torch.rand(8, 8))
    assert picture.shape == (1, 3, 8, 8)
    assert bool(((picture >= 0) & (picture <= 1)).all())
