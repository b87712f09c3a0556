"""The shapes that docstrings state, checked at every call: jaxtyping with beartype.

The package imports neither. Here the methods that tensors cross interfaces by are replaced by
themselves with annotations that say shapes; a dimension of one name has one size within a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError, jaxtyped
from torch import Tensor

import invert
from invert import registry
from invert.engine.views import Viewer
from invert.measures import RowEvidence, decomposition, measure_row
from invert.photos import default_photo
from invert.protocols import Canvas, Objective
from invert.testing import tiny_subject

Images = Float[Tensor, "batch channels height width"]
OnePerImage = Float[Tensor, "batch"]
Activations = Mapping[str, Float[Tensor, "batch ..."]]  # noqa: F722  (no forward annotation)

OF_CANVAS = {"forward": {"return": Images}, "penalty": {"image": Images, "return": OnePerImage}}
OF_OBJECTIVE = {"__call__": {"image": Images, "activations": Activations, "return": OnePerImage}}
OF_SUBJECT = {
    "image": {"return": Float[Tensor, "1 channels height width"]},
    "preprocess": {"images": Images, "return": Images},
    "activations": {"images": Images, "return": Activations},
    "logits": {"images": Images, "return": Float[Tensor, "batch classes"]},
}
OF_VIEWER = {"__call__": {"images": Images, "return": Float[Tensor, "views channels height width"]}}
OF_ROW = {
    "__init__": {
        "originals": Float[Tensor, "photos channels height width"],
        "images": Float[Tensor, "photos seeds channels height width"],
    }
}
OF_DECOMPOSITION = {
    "decompose": {"photos": Float[Tensor, "photos n"], "inversions": Float[Tensor, "photos seeds n"]}
}


def checked(function: FunctionType, shapes: dict[str, Any]) -> Any:
    """`function` with `shapes` as its annotations, enforced."""
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    twin.__annotations__ = shapes
    return jaxtyped(twin, typechecker=beartype)


def family(cls: type) -> Iterator[type]:
    yield cls
    for child in cls.__subclasses__():
        yield from family(child)


@pytest.fixture(autouse=True)
def shapes_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for group in registry.GROUPS:
        registry.working(group)  # imports them all
    owners = [(cls, OF_CANVAS) for cls in family(Canvas)] + [(cls, OF_OBJECTIVE) for cls in family(Objective)]
    owners += [(invert.Subject, OF_SUBJECT), (Viewer, OF_VIEWER), (RowEvidence, OF_ROW)]
    for owner, methods in [*owners, (decomposition, OF_DECOMPOSITION)]:
        for name, shapes in methods.items():
            if name in vars(owner):
                monkeypatch.setattr(owner, name, checked(vars(owner)[name], shapes))


OBJECTIVES = {
    "feature": invert.FeatureMatch("relu", default_photo()),
    "class": invert.ClassScore(2),
    "probability": invert.ClassProbability("class 1"),
    "odds": invert.ClassLogOdds("class 1"),
    "channel": invert.Channel("conv", 3),
    "neuron": invert.Neuron("fc", 3),
    "direction": invert.Direction("relu", tuple(range(8))),
    "observation": invert.Observation(
        invert.operator("mask"), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("prior", registry.names("invert.priors"))
def test_of_priors(prior: str, channels: int) -> None:
    invert.run(tiny_subject(channels), OBJECTIVES["feature"], prior, steps=2)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_of_objectives(name: str) -> None:
    objective = OBJECTIVES[name] + 0.5 * OBJECTIVES["channel"]
    assert invert.run(tiny_subject(), objective, "none", steps=2, views=2).image.shape == (1, 3, 32, 32)


def test_of_measures() -> None:
    subject = tiny_subject()
    row = RowEvidence(subject, "conv", torch.rand(2, 3, 32, 32), torch.rand(2, 3, 3, 32, 32), 1.0)
    assert "kept.luminance" in measure_row(row)[0]


def test_wrong_shapes_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = tiny_subject()
    with pytest.raises(TypeCheckError):
        subject.activations(torch.rand(3, 32, 32), ["conv"])
    with pytest.raises(TypeCheckError):
        RowEvidence(subject, "conv", torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), 1.0)

    def summed(self: Objective, image: Tensor, activations: Mapping[str, Tensor]) -> Tensor:
        return image.sum()

    monkeypatch.setattr(invert.Channel, "__call__", checked(summed, OF_OBJECTIVE["__call__"]))
    with pytest.raises(TypeCheckError):
        invert.run(subject, OBJECTIVES["channel"], "none", steps=1)
