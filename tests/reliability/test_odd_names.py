"""Layers called like a word of ours, like markup, or with a comma: nameable, and shown as they are."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from reliability_helpers import report

from invert.cli import main

Invert = Callable[..., int]

NAMES = ("all", "a,b", "[/bold]", "[red]", ":cat:", "x=y", "back\\slash")

NETWORK = f"""
from torch import nn

SIZE, CLASSES = 16, ("all", "b,c", "[/red]")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for index, name in enumerate({NAMES!r}):
            self.add_module(name, nn.Conv2d(3 if index == 0 else 4, 4, 1))
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        for name in {NAMES!r}:
            x = self.get_submodule(name)(x)
        logits = self.fc(x.mean((2, 3)))
        return {{"first": logits, "logits": logits + 1}}

class Only(Net):
    def forward(self, x):
        return super().forward(x)["logits"]
"""


@pytest.fixture
def odd(tmp_path: Path) -> str:
    (tmp_path / "odd.py").write_text(NETWORK)
    return str(tmp_path / "odd.py")


def test_the_list_shows_names_as_they_are(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layers", f"{odd}:Net"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*NAMES, "output[logits]"))
    assert main(["layers", f"{odd}:Net", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)][:7] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_can_be_asked_for_and_its_own_command_gives_it_again(
    name: str, odd: str, invert: Invert, tmp_path: Path
) -> None:
    written = {"all": "all:1"}.get(name, name.replace("\\", "\\\\").replace(",", "\\,"))
    words = ("--prior", "none", "--steps", 1)
    assert invert("--layer", written, *words, "--out", tmp_path / "out", model=f"{odd}:Only") == 0
    (run,) = report(tmp_path / "out")["runs"]
    assert run["layer"] == name
    again = shlex.split(run["command"])[1:]
    assert main([*again, "--quiet", "--out", str(tmp_path / "again")]) == 0
    (same,) = report(tmp_path / "again")["runs"]
    assert (same["id"], same["layer"], same["command"]) == (run["id"], name, run["command"])
    pictures = [(tmp_path / out / run["files"]["image"]).read_bytes() for out in ("out", "again")]
    assert pictures[0] == pictures[1]


def test_all_layers_with_one_of_that_name_among_them(odd: str, invert: Invert, tmp_path: Path) -> None:
    words = ("--layer", "all", "--prior", "none", "--steps", 1, "--out", tmp_path / "out")
    assert invert(*words, model=f"{odd}:Only") == 0
    commands = {run["layer"]: run["command"] for run in report(tmp_path / "out")["runs"]}
    assert len(commands) > 4 and "--layer all:1 " in commands["all"]


def test_classes_of_such_names_are_asked_for_by_number(odd: str, invert: Invert, tmp_path: Path) -> None:
    words = ("--class", "all", "--prior", "none", "--steps", 1, "--views", 0, "--out", tmp_path / "out")
    assert invert(*words, model=f"{odd}:Only") == 0
    runs = report(tmp_path / "out")["runs"]
    assert [run["target"] for run in runs] == ["all", "b,c", "[/red]"]
    assert ["--class 0 " in runs[0]["command"], "--class 1 " in runs[1]["command"]] == [True, True]
