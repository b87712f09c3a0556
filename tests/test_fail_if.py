"""`--fail-if`: decided on the interval, and never passed by what cannot be judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from compare_helpers import side

from invert.errors import RequestError
from invert.sweeps.codes import code_change, code_interval, sketch
from invert.sweeps.compare import Comparison, compare
from invert.sweeps.sides import Side
from invert.sweeps.threshold import Judgement, Threshold, judge


def judged(comparison: Comparison, *texts: str) -> list[Judgement]:
    return judge([Threshold.parse(text) for text in texts], comparison)


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """B keeps far less of the photos."""
    out = tmp_path_factory.mktemp("lost")
    return compare(side(out / "a", gain=0.9), side(out / "b", gain=0.1, first_seed=9))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """B is A under other seeds."""
    out = tmp_path_factory.mktemp("again")
    return compare(side(out / "a", gain=0.9), side(out / "b", gain=0.9, first_seed=9))


@pytest.mark.parametrize(
    "text, fails",
    [
        ("layer fc6 kept.luminance < -0.05", True),
        ("kept.luminance <= -0.05", True),
        ("kept.luminance < -0.999", False),
        ("kept.luminance >= 0", False),
        ("free.luminance > 0.05", True),
    ],
)
def test_a_threshold_is_on_the_change(lost: Comparison, text: str, fails: bool) -> None:
    (found,) = judged(lost, text)
    assert bool(found.failures) is fails
    assert "noise floor ±" in found.floors[0]


def test_the_whole_interval_must_be_beyond_the_bound(lost: Comparison) -> None:
    change = lost.rows[0].changes["kept.luminance"]
    assert change.change is not None and change.interval is not None
    inside = (change.change + change.interval[1]) / 2  # the change is beyond it, its interval is not
    assert change.change < inside
    assert not judged(lost, f"kept.luminance < {inside}")[0].failures
    assert judged(lost, f"kept.luminance < {change.interval[1] + 0.01}")[0].failures


def test_other_seeds_fail_nothing(again: Comparison) -> None:
    names = [name for name in again.rows[0].changes if name.startswith(("kept.", "free."))]
    changes = [again.rows[0].changes[name].change or 0.0 for name in names]
    assert any(change < -0.005 for change in changes)  # what cried wolf
    assert not any(j.failures for j in judged(again, *(f"{name} < 0" for name in names)))
    assert not any(j.failures for j in judged(again, *(f"{name} > 0" for name in names)))


def test_several_thresholds_are_judged_at_once(lost: Comparison) -> None:
    """The more numbers are looked at, the wider the intervals are: they must hold all at once."""
    (alone,) = judged(lost, "kept.luminance < 0")
    names = [name for name in lost.rows[0].changes if name.startswith("kept.")]
    together = judged(lost, *(f"{name} < 0" for name in names))

    def floor(found: Judgement) -> float:
        return float(found.floors[0].rpartition("±")[2])

    assert floor(next(j for j in together if j.threshold.measure == "kept.luminance")) > floor(alone)


@pytest.mark.parametrize("text", ["", "fc6 is worse", "kept.luminance < low", "kept < 1 < 2", "psnr < nan",
                                  "psnr < inf", "psnr > -inf", "layer fc6 psnr < 1e999"])  # fmt: skip
def test_a_threshold_of_another_form_says_which_form(text: str) -> None:
    with pytest.raises(RequestError, match=r"finite, such as .*kept\.luminance < -0\.05"):
        Threshold.parse(text)


@pytest.mark.parametrize(
    "text, near",
    [("layer fc66 kept.luminance < 0", "did you mean fc6"), ("kept.lumnance < 0", "kept.luminance")],
)
def test_a_wrong_name_gets_its_near_ones(again: Comparison, text: str, near: str) -> None:
    with pytest.raises(RequestError, match=near) as caught:
        judged(again, text)
    assert len(str(caught.value)) < 200


def interrupted(b: Side) -> None:
    b.report.status = "interrupted"


def without_value(b: Side) -> None:
    b.report.layers[0].measures["kept.luminance"] = None


def not_a_number(b: Side) -> None:
    b.report.layers[0].measures["kept.luminance"] = float("nan")


def without_the_measure(b: Side) -> None:
    del b.report.layers[0].measures["kept.luminance"]


def without_a_picture(b: Side) -> None:
    (b.folder / (b.report.runs[0].files.image or "")).unlink()


@pytest.mark.parametrize(
    "damage, says",
    [
        (interrupted, r"B is not finished \(interrupted\)"),
        (without_value, "no value in B"),
        (not_a_number, "no value in B"),
        (without_the_measure, "no value in B"),
        (without_a_picture, "noise is not known"),
    ],
)
def test_what_cannot_be_judged_fails(tmp_path: Path, damage: Callable[[Side], None], says: str) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    assert not judged(compare(a, b), "kept.luminance < -0.9")[0].failures
    damage(b)
    (found,) = judged(compare(a, b), "kept.luminance < -0.9")
    assert len(found.failures) == 1
    assert says.replace("\\", "") in found.failures[0]


@pytest.mark.parametrize("text", ["kept.luminance < -0.9", "layer fc7 kept.luminance < -0.9"])
def test_a_layer_that_b_lacks_fails(tmp_path: Path, text: str) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    a.report.layers.append(side(tmp_path / "c", layer="fc7").report.layers[0])
    (found,) = judged(compare(a, b), text)
    assert found.failures == ["B has no fc7 under tv: it cannot be judged"]
    assert not judged(compare(a, b), "layer fc6 kept.luminance < -0.9")[0].failures


def test_what_neither_has_a_value_of_cannot_pass(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", photos=1), side(tmp_path / "b", photos=1)
    with pytest.raises(RequestError, match="no row has a value of identity_kept"):
        judged(compare(a, b), "identity_kept < 0")


def with_codes(a: Side, b: Side, share: float) -> Comparison:
    """B's codes of the photos are apart from A's by that share of their energy."""
    generator = torch.Generator().manual_seed(0)
    for row_a, row_b in zip(a.report.layers, b.report.layers, strict=True):
        for image in a.report.images:
            code = torch.randn(4096, generator=generator)
            row_a.codes[image.id] = sketch(code)
            row_b.codes[image.id] = sketch(code + share**0.5 * torch.randn(4096, generator=generator))
    return compare(a, b)


@pytest.mark.parametrize(
    "share, text, fails",
    [
        (0.002, "layer fc6 code_change > 0", True),
        (0.004, "code_change > 0.001", True),
        (0.002, "code_change > 0.0018", False),  # beyond it, but not surely
        (0.0, "code_change > 0", False),
        (0.002, "code_change < 0.01", True),
    ],
)
def test_the_codes_can_be_judged(tmp_path: Path, share: float, text: str, fails: bool) -> None:
    """What changes too little to be seen in what comes back."""
    comparison = with_codes(side(tmp_path / "a"), side(tmp_path / "b", first_seed=9), share)
    found, kept = judged(comparison, text, "kept.luminance < -0.5")
    assert bool(found.failures) is fails and not kept.failures
    assert kept.floors == judged(comparison, "kept.luminance < -0.5")[0].floors, "no seed moves a code"
    assert "fc6: code_change is" in found.floors[0]


def test_codes_that_cannot_be_told_apart_do_not_pass(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    (found,) = judged(compare(a, b), "code_change > 0.5")
    assert "fc6: code_change is not known" in found.failures[0]
    with pytest.raises(RequestError, match="did you mean code_change"):
        judged(compare(a, b), "code_chang > 0")


def test_one_code_under_several_priors_is_one(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    for one in (a, b):
        one.report.layers.append(replace(one.report.layers[0], prior="dip"))
    (found,) = judged(with_codes(a, b, 0.1), "code_change > 0")
    assert len(found.failures) == len(found.floors) == 1


def test_the_interval_of_a_code_holds_the_truth() -> None:
    """Ninety-five times of a hundred, about: over many codes, not over many seeds."""
    generator = torch.Generator().manual_seed(0)
    inside = 0
    for _ in range(200):
        before, apart = torch.randn(2, 1500, generator=generator)
        true = float(0.04 * apart.square().sum() / before.square().sum())
        estimate = code_change([(sketch(before), sketch(before + 0.2 * apart))])
        assert estimate is not None
        low, high = code_interval(estimate, 0.95)
        inside += low <= true <= high
    assert 180 <= inside < 200
    assert code_interval(0.0, 0.95) == (0, 0)
