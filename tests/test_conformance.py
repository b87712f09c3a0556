"""Every registered plug-in keeps what it promises. A new one is tested by being registered."""

from __future__ import annotations

import pytest
import torch

import invert
from invert import registry
from invert.testing import (
    check_measure,
    check_objective,
    check_operator,
    check_prior,
    check_stop,
    tiny_subject,
)

EXAMPLES = {
    "feature": lambda cls: cls("conv", tiny_subject().image(default_photo())),
    "class": lambda cls: cls(2),
    "probability": lambda cls: cls("class 2"),
    "odds": lambda cls: cls("class 2"),
    "channel": lambda cls: cls("conv", 3),
    "neuron": lambda cls: cls("conv", 3),
    "direction": lambda cls: cls("relu", tuple(range(8))),
    "observation": lambda cls: cls(
        invert.operator("mask"), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    ),
}


def default_photo() -> str:
    from invert.photos import default_photo

    return str(default_photo())


@pytest.mark.parametrize("name", registry.names("invert.priors"))
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47)], ids=["colour", "grey, odd size"])
def test_prior(name: str, shape: tuple[int, int, int]) -> None:
    check_prior(invert.prior(name), shape)


@pytest.mark.parametrize(
    "name, preset",
    [(name, preset) for name, cls in registry.working("invert.priors").items() for preset in cls.presets],
)
def test_preset(name: str, preset: str) -> None:
    check_prior(invert.prior(name, preset=preset))


@pytest.mark.parametrize("name", registry.names("invert.operators"))
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47)], ids=["colour", "grey, odd size"])
def test_operator(name: str, shape: tuple[int, int, int]) -> None:
    check_operator(invert.operator(name), shape)


@pytest.mark.parametrize("name", registry.names("invert.stops"))
def test_stop(name: str) -> None:
    check_stop(invert.stop(name))


@pytest.mark.parametrize("name", EXAMPLES)
def test_objective(name: str) -> None:
    check_objective(EXAMPLES[name](registry.get("invert.objectives", name)), tiny_subject())


def test_each_objective_of_this_package_has_an_example() -> None:
    """Others' are checked by them: what they are made of nobody here can know."""
    ours = [n for n, cls in registry.working("invert.objectives").items() if cls.__module__[:7] == "invert."]
    assert sorted(EXAMPLES) == sorted(ours)


@pytest.mark.parametrize("name", registry.names("invert.measures"))
def test_measure(name: str) -> None:
    check_measure(registry.get("invert.measures", name))


def test_nothing_built_in_is_broken() -> None:
    assert [plugin for group in registry.GROUPS for plugin in registry.broken(group)] == []
