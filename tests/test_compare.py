"""Two networks compared: what changed, and the thresholds that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from invert.cli import main
from invert.errors import RequestError
from invert.subjects import load
from invert.sweeps.compare import Threshold, compare


def report(kept: float, layer: str = "fc6", photo: str = "a.jpg") -> dict[str, Any]:
    return {
        "subject": {"model": "net"},
        "command": "invert net",
        "tool": {},
        "images": [{"name": photo}],
        "measures": {},
        "layers": [
            {"layer": layer, "prior": "dip", "measures": {"kept.luminance": kept, "psnr": None}, "photos": 1,
             "seeds": 4, "runs": [], "reading": None}
        ],
    }  # fmt: skip


def test_the_change_is_b_minus_a() -> None:
    (row,) = compare(report(0.75), report(0.5))["rows"]
    assert row["change"] == {"kept.luminance": -0.25}


def test_layers_of_two_networks_are_paired() -> None:
    (row,) = compare(report(0.5), report(0.6, "classifier.1"), {"fc6": "classifier.1"})["rows"]
    assert (row["layer"], row["layer_b"]) == ("fc6", "classifier.1")


@pytest.mark.parametrize(
    "text, fails",
    [
        ("layer fc6 kept.luminance < -0.05", True),
        ("kept.luminance < -0.05", True),
        ("kept.luminance < -0.3", False),
        ("kept.luminance >= 0", False),
    ],
)
def test_a_threshold_is_on_the_change(text: str, fails: bool) -> None:
    rows = compare(report(0.75), report(0.5))["rows"]
    assert bool(Threshold.parse(text).broken_by(rows)) is fails


@pytest.mark.parametrize("text", ["", "fc6 is worse", "kept.luminance < low", "kept < 1 < 2"])
def test_a_threshold_of_another_form_says_which_form(text: str) -> None:
    with pytest.raises(RequestError, match=r"kept\.luminance < -0\.05"):
        Threshold.parse(text)


@pytest.mark.parametrize("text", ["layer fc7 kept.luminance < 0", "kept.lumnance < 0", "psnr < 0"])
def test_a_threshold_on_what_is_not_there_cannot_pass_silently(text: str) -> None:
    with pytest.raises(RequestError):
        Threshold.parse(text).broken_by(compare(report(0.75), report(0.5))["rows"])


def test_different_photos_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match=r"b\.jpg"):
        compare(report(0.5), report(0.5, photo="b.jpg"))


def test_two_checkpoints_from_the_command_line(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B has lost its colour: each filter of its first layer sees grey alone."""
    state = load(own_network, "random").model.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    weight = state["conv.weight"]
    grey = {**state, "conv.weight": weight.mean(1, keepdim=True).expand_as(weight).contiguous()}
    save_file(grey, tmp_path / "b.safetensors")
    sides = [f"{own_network}={tmp_path / f'{side}.safetensors'}" for side in "ab"]
    words = ["compare", *sides, "--layer", "conv", "--prior", "none", "--steps", "150", "--seeds", "2"]
    words += ["--out", str(tmp_path / "out"), "--quiet", "--precision", "fp32"]
    assert main([*words, "--fail-if", "layer conv kept.colour < -0.3"]) == 1
    assert "kept.colour changed by -" in capsys.readouterr().err
    assert main([*words, "--resume", "--fail-if", "kept.colour > 0.3"]) == 0
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert torch.tensor(comparison["rows"][0]["change"]["kept.colour"]) < -0.3
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Content-Security-Policy" in page
    assert page.count("data:image/png") >= 3


def test_networks_need_a_place_to_be_run(own_network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", own_network, own_network]) == 2
    assert "--out" in capsys.readouterr().err
