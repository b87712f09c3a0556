"""Networks built to lose one thing, inverted for real: the measures must say what was lost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import invert
from invert import images
from invert.engine.problem import Problem
from invert.measures import RowEvidence, measure_row
from invert.photos import default_photo

SIDE, SEEDS = 64, 2
Numbers = dict[str, float | None]


class Grey(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image.mean(1, keepdim=True)


class Permuted(nn.Module):
    """Every pixel and channel in another place, always the same one."""

    def forward(self, image: Tensor) -> Tensor:
        order = torch.randperm(image[0].numel(), generator=torch.Generator().manual_seed(0))
        return image.flatten(1)[:, order]


class Constant(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image.flatten(1).sum(1, keepdim=True) * 0 + 1


def photos() -> Tensor:
    """Two different crops of a real photo, `(2, 3, SIDE, SIDE)`."""
    whole = images.to_tensor(default_photo(), (3, 2 * SIDE, 2 * SIDE))
    return torch.cat([whole[..., :SIDE, SIDE // 2 : -SIDE // 2], whole[..., SIDE:, SIDE // 2 : -SIDE // 2]])


def keeps(layer: nn.Module) -> Numbers:
    """The measures of a row: two photos, two seeds, no prior to fill anything in."""
    subject = invert.wrap(nn.Sequential(layer), size=SIDE, mean=(0, 0, 0), std=(1, 1, 1))
    inversions = []
    for photo in photos():
        problem = Problem.pose(subject, invert.FeatureMatch("0", photo), invert.prior("none"))
        *_, stopped = problem.optimisation(range(SEEDS), 200, precision="fp32")
        inversions.append(stopped.best)
    share = subject.layer("0").share
    return measure_row(RowEvidence(subject, "0", photos(), torch.stack(inversions), share))[0]


def octaves(numbers: Numbers, measure: str) -> dict[str, float]:
    return {
        name.removeprefix(f"{measure}.cycles."): value
        for name, value in numbers.items()
        if name.startswith(f"{measure}.cycles.") and value is not None
    }


@pytest.mark.parametrize("layer", [nn.Identity(), Permuted()], ids=["identity", "permutation"])
def test_what_loses_nothing_keeps_everything(layer: nn.Module) -> None:
    numbers = keeps(layer)
    for facet in ("luminance", "colour"):
        assert numbers[f"kept.{facet}"] == pytest.approx(1, abs=0.01)
        assert numbers[f"recovered.{facet}"] == pytest.approx(1, abs=0.05)
    assert min(octaves(numbers, "kept").values()) > 0.99
    assert numbers["place_kept"] == 0
    assert (numbers["edges_kept"] or 0) > 0.9
    assert numbers["identity_kept"] == 1


def test_a_constant_keeps_nothing() -> None:
    """What is shown is the noise of the start, and that differs from seed to seed."""
    numbers = keeps(Constant())
    assert max(octaves(numbers, "kept").values()) < 0.02
    assert min(octaves(numbers, "free").values()) > 0.9
    assert max(abs(numbers[f"recovered.{facet}"] or 0) for facet in ("luminance", "colour")) < 0.1
    assert (numbers["place_kept"] or 0) > 0.7 * (numbers["place_chance"] or 0)


def test_grey_keeps_luminance_and_no_colour() -> None:
    numbers = keeps(Grey())
    assert numbers["kept.luminance"] == pytest.approx(1, abs=0.01)
    assert numbers["kept.colour"] == pytest.approx(0, abs=0.01)
    assert (numbers["free.colour"] or 0) > 0.7


def test_block_averages_keep_the_octaves_below_their_limit() -> None:
    """8 × 8 blocks of a 64 px image are 8 samples a side: their Nyquist limit is 4 cycles."""
    kept = octaves(keeps(nn.AvgPool2d(8)), "kept")
    assert kept["1-4"] > 0.85
    assert kept["8-16"] < 0.1
    assert kept["16-32"] < 0.1


def test_global_pooling_keeps_no_place() -> None:
    numbers = keeps(nn.AdaptiveAvgPool2d(1))
    assert max(octaves(numbers, "kept").values()) < 0.02
    assert (numbers["place_kept"] or 0) > 0.7 * (numbers["place_chance"] or 0)
