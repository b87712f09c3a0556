"""Classes, units and photos from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invert.cli import main

NETWORK = """
import torch
from torch import nn

SIZE, MEAN, STD = 32, 0.5, 0.25
CLASSES = ("bright", "dark", "never")


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        nn.init.constant_(self.conv.weight, 0.1)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        level = self.conv(x).mean((1, 2, 3))
        return torch.stack([level, -level, torch.full_like(level, -1e3) + level], dim=1)


def network():
    return Brightness()
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "network.py").write_text(NETWORK)
    return f"{tmp_path / 'network.py'}:network"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos from black to white in folders by class, and a file that is no picture."""
    folder = tmp_path / "photos"
    for name, level in (("dark/a", 0), ("dark/b", 60), ("light/c", 180), ("light/d", 255)):
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 32), (level,) * 3).save(path)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def invert(out: Path, *words: str) -> dict[str, Any]:
    status = main([*words, "--out", str(out), "--quiet", "--prior", "none", "--steps", "3", "--seed", "0"])
    assert status == 0
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def test_photos_stand_beside_classes_and_units(model: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    targets = ("--class", "bright,dark", "--unit", "conv:1,conv:2@3,4")
    report = invert(out, model, *targets, "--photos", str(photos))
    bright, dark, channel, neuron = report["runs"]
    assert [run["objective"] for run in report["runs"]] == ["class", "class", "unit", "unit"]
    seen = bright["photos"]
    assert (seen["count"], seen["skipped"]) == (4, 1)
    names = [entry["name"] for entry in seen["highest"]]
    assert names == ["light/d.png", "light/c.png", "dark/b.png", "dark/a.png"]
    assert seen["lowest"][0]["name"] == "dark/a.png" and dark["photos"]["highest"][0]["name"] == "dark/a.png"
    assert seen["max"] == seen["highest"][0]["score"] > seen["mean"] > seen["lowest"][0]["score"]
    assert dark["photos"]["of_class"]["by"] == "folder" and dark["photos"]["of_class"]["count"] == 2
    assert seen["of_class"]["by"] == "network" and seen["of_class"]["count"] == 2
    assert channel["photos"]["of_class"] is None
    assert channel["photos"]["max"] == pytest.approx(neuron["photos"]["max"])
    for run in report["runs"]:
        for entry in run["photos"]["highest"]:
            with Image.open(out / entry["file"]) as picture:
                assert picture.size == (32, 32)
    assert report["command"].count("--photos") == 1


def test_views_are_recorded_and_can_be_switched_off(model: str, tmp_path: Path) -> None:
    (on,) = invert(tmp_path / "on", model, "--class", "dark")["runs"]
    (off,) = invert(tmp_path / "off", model, "--class", "dark", "--views", "0")["runs"]
    assert on["views"]["count"] == 7 and off["views"] is None
    assert "--views 0" in off["command"]
    assert on["photos"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--class", "drak"], "did you mean dark"),
        (["--unit", "conv:9"], "0 to 3"),
        (["--class", "dark", "--photos", "nowhere"], "no such folder"),
        (["--class", "dark", "--views", "-1"], "whole number"),
    ],
)
def test_requests_that_cannot_be_met(
    words: list[str], message: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([model, *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("invert: error: ") and error.count("\n") == 1 and message in error


def test_until_is_about_features_and_ends_no_class(model: str, tmp_path: Path) -> None:
    """It ended a class at a loss below it: at once, with the network sure of nothing."""
    report = invert(tmp_path / "out", model, "--class", "bright", "--layer", "conv", "--until", "1000")
    features, drawn = report["runs"]
    assert (features["objective"], features["stopped"], features["steps"], features["reached"]) == (
        "feature", "until", 1, True
    )  # fmt: skip
    assert (drawn["objective"], drawn["stopped"], drawn["steps"], drawn["reached"]) == (
        "class", "steps", 3, None
    )  # fmt: skip
