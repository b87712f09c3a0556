"""A source of networks is a line in a table and a module."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from torch import nn

import invert
from invert.subjects.sources import table
from invert.subjects.sources.network import Given, Network
from invert.subjects.sources.preprocessing import Preprocessing


def test_a_new_source_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `hf:` would be: its networks are found, listed, and offered where their prefix was left out."""
    hub = ModuleType("hub")
    hub.names = lambda: ["tiny"]  # type: ignore[attr-defined]

    def find(name: str, given: Given) -> Network:
        def build(_: int | None) -> nn.Module:
            return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 4))

        return Network(
            build, Preprocessing((3, *(given.sides or (8, 8)))), lambda: build(None), f"hub's {name}"
        )

    hub.find = find  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hub", hub)
    monkeypatch.setitem(table.SOURCES, "hub", "hub")
    subject = invert.load("hub:tiny")
    assert (subject.name, subject.weights, subject.input_shape) == ("hub:tiny", "hub's tiny", (3, 8, 8))
    assert "hub:tiny" in table.names()
    with pytest.raises(invert.RequestError, match="did you mean hub:tiny"):
        invert.load("tiny")
    with pytest.raises(invert.RequestError, match="hub:NAME, or path"):
        invert.load("nothing-like-it-at-all")


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("bundled:alexnet-mini", "bundled"),
        ("torchvision:squeezenet1_1", "random, seed 0"),
        ("timm:resnet10t", "random, seed 0"),
    ],
)
def test_a_network_goes_by_its_prefix(model: str, source: str) -> None:
    assert invert.load(model, None if source == "bundled" else "random").weights == source


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("torchvision:alexnt", "did you mean alexnet"),
        ("timm:resnet18x", "did you mean resnet18"),
        ("bundled:alexnet", "alexnet-mini"),
        ("resnet10t", "did you mean timm:resnet10t"),
    ],
)
def test_near_names_come_from_the_source(model: str, meant: str) -> None:
    with pytest.raises(invert.RequestError, match=meant):
        invert.load(model)
