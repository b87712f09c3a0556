from __future__ import annotations

import pytest
import torch
from torch import nn

import invert
from invert.measures import Evidence, measure_run
from invert.measures.judged import judged_class
from invert.measures.target import rank
from invert.subjects.matching import match

IMAGENET = ("tench", "crane", "church", "chainsaw", "golf ball", "crane", "English springer")


@pytest.mark.parametrize(
    ("name", "others", "index"),
    [
        ("church", ("tench", "church"), 1),
        ("golf ball", ("ball", "Golf_Ball"), 1),
        ("tench", ("goldfish", "tench, Tinca tinca"), 1),
        ("church, church building", ("barn", "church"), 1),
        ("springer", ("tench", "English springer"), 1),
        ("English springer spaniel", ("English springer", "cocker spaniel"), 0),
        ("crane", ("crane", "tench", "crane"), None),
        ("ball", ("golf ball", "tennis ball"), None),
        ("zebra", ("tench", "church"), None),
        ("ox", ("box", "fox"), None),
        ("", ("box",), None),
    ],
)
def test_classes_are_matched_by_name(name: str, others: tuple[str, ...], index: int | None) -> None:
    assert match(name, 0, (name, "something else"), others) == index


def test_a_name_that_another_has_better_is_not_matched() -> None:
    names = ("cassette", "cassette player")
    assert [match(name, i, names, ("tench", "cassette player")) for i, name in enumerate(names)] == [None, 1]


def test_the_same_list_of_classes_is_matched_by_number() -> None:
    assert match("crane", 5, IMAGENET, IMAGENET) == 5


def test_equals_count_as_ahead() -> None:
    assert rank(torch.tensor([0.0, 0.0, 0.0]), 0) == 2
    assert rank(torch.tensor([3.0, 1.0, 2.0]), 0) == 0
    assert rank(torch.tensor([3.0, 1.0, 2.0]), 1) == 2


class Brightness(nn.Module):
    """Class 1 for bright pictures, class 0 for dark ones, class 2 never."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = x.mean((1, 2, 3))
        return torch.stack([-level, level, torch.full_like(level, -1e3)], dim=1)


def subject(*classes: str, side: int = 16) -> invert.Subject:
    return invert.wrap(Brightness(), size=side, mean=0.5, std=0.5, classes=classes or None)


def test_a_judge_of_another_size_ranks_the_class_it_knows_by_another_name() -> None:
    own = subject("night", "snow_field", "other")
    judge = subject("snow field, snow", "dark", "other", side=24)
    bright = torch.full((1, 3, 16, 16), 0.9)
    objective = invert.ClassScore("snow_field").bind(own)
    numbers = measure_run(Evidence(own, objective, bright, target_index=1, judge=judge))
    assert numbers["target_rank"] == 0 and numbers["judge_rank"] == 1
    assert numbers["target_score"] == pytest.approx(0.8)
    assert numbers["target_probability"] == pytest.approx(float(torch.tensor(1.6).sigmoid()), abs=1e-4)
    assert numbers["judge_probability"] == pytest.approx(float(torch.tensor(-1.6).sigmoid()), abs=1e-4)


def test_for_an_inverted_photo_the_judge_is_asked_for_what_it_sees_in_the_photo() -> None:
    bright, dark = torch.full((1, 3, 16, 16), 0.9), torch.full((1, 3, 16, 16), 0.1)
    own = subject("night", "snow", "other")
    objective = invert.FeatureMatch("output", bright).bind(own)

    def asked(judge: invert.Subject, network: invert.Subject = own) -> int | None:
        return judged_class(Evidence(network, objective, dark, original=bright, judge=judge))

    assert asked(subject("night", "snow", "x")) == 1
    assert asked(subject("zebra", "horse", "x")) is None
    assert asked(subject("zebra", "horse", "x"), network=subject()) == 1
    assert asked(subject()) is None


def test_without_a_judge_or_a_class_there_is_no_number() -> None:
    own = subject("night", "snow", "other")
    image = torch.full((1, 3, 16, 16), 0.9)
    numbers = measure_run(Evidence(own, invert.Channel("output", 1), image, judge=subject("a", "b", "c")))
    assert numbers["judge_rank"] is None and numbers["target_rank"] is None
    assert numbers["target_score"] == pytest.approx(0.8)
