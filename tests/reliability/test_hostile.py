"""Names, files and networks that mean no good: a right result or one line, and nothing outside OUT."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from reliability_helpers import report
from rich.console import Console

from invert.cli import progress
from invert.engine.devices import choose_device
from invert.errors import RequestError
from invert.sweeps import worker
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep

Invert = Callable[..., int]

NETWORKS = """
import torch
from torch import nn

SIZE = 16
CLASSES = ("a", "b")

class Net(nn.Module):
    def __init__(self, does=None):
        super().__init__()
        self.does, self.calls = does, 0
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        self.calls += 1
        if self.does:
            x = self.does(self, x)
        return self.fc(self.conv(x).mean((2, 3)))

def die(net, x):
    raise KeyError("no\\nway")

def leave(net, x):
    raise SystemExit(7)

def leave_later(net, x):
    return leave(net, x) if net.calls > 12 else x

def raising(): return Net(die)
def leaving(): return Net(leave)
def leaving_later(): return Net(leave_later)
def nan_later(): return Net(lambda net, x: x * float("nan") if net.calls > 1 else x)

def nan_weights():
    net = Net()
    net.conv.weight.data[0, 0, 0, 0] = float("nan")
    return net
"""


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    ("factory", "status", "message"),
    [
        ("raising", 2, "does not take images of 3 × 16 × 16"),
        ("leaving", 2, "does not take images of 3 × 16 × 16"),
        ("nan_weights", 2, "the weights hold NaN or infinity (conv.weight)"),
        ("leaving_later", 1, "SystemExit"),
        ("nan_later", 1, "not finite for this photo"),
    ],
)
def test_a_network_that_misbehaves_is_one_line(
    factory: str,
    status: int,
    message: str,
    invert: Invert,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    words = ("--layer", "conv", "--prior", "none", "--steps", 9, "--out", tmp_path / "out")
    assert invert(*words, model=f"{tmp_path / 'nets.py'}:{factory}") == status
    error = capsys.readouterr().err
    assert message in error and error.startswith("invert: ") and error.count("\n") == 1
    if status == 1:
        assert report(tmp_path / "out")["status"] == "failed"


HOSTILE = (
    "<script>alert(1)</script>",
    "../../../up",
    "a\nb\x1b[31m[/red]",
    "🐱",
    "",
    "con/../..",
    "crane",
    "Crane",
)
LABELS = dict(enumerate(HOSTILE))


def test_names_of_classes_stay_names(invert: Invert, tmp_path: Path) -> None:
    """HTML, separators, newlines, escapes, emoji, and two classes of one name."""
    (tmp_path / "net.py").write_text(
        f"from torch import nn\nSIZE = 8\nCLASSES = {HOSTILE!r}\n"
        f"net = lambda: nn.Sequential(nn.Conv2d(3, {len(HOSTILE)}, 8), nn.Flatten())\n"
    )
    before = everything(tmp_path)
    out = tmp_path / "work" / "out"
    words = ("--class", "all", "--prior", "none", "--steps", 1, "--views", 0, "--out", out)
    assert invert(*words, model=f"{tmp_path / 'net.py'}:net") == 0
    runs = report(out)["runs"]
    assert [run["target_index"] for run in runs] == list(LABELS)
    assert len({run["id"].lower() for run in runs}) == len(runs)
    assert all("\n" not in run["target"] and "\x1b" not in run["target"] for run in runs)
    assert all((out / run["files"]["image"]).parent.parent == out / "runs" for run in runs)
    grown = {path for path in everything(tmp_path) - before if "__pycache__" not in path.parts}
    assert all(path == out.parent or path == out or out in path.parents for path in grown)
    page = (out / "report.html").read_text()
    assert "<script>alert(1)" not in page and "🐱" in page
    own = [run["command"] for run in runs if run["target"].lower() == "crane"]
    assert "--class crane " in own[0] and "--class Crane " in own[1]


@pytest.mark.parametrize(
    "name", [b"a\nb <b>.png", "🐱 &amp;.png".encode(), b"\xff\xfe.png", b"...png", b"%s%n.png"]
)
def test_names_of_photos_stay_names(name: bytes, invert: Invert, tmp_path: Path) -> None:
    photo = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))  # noqa: PTH118
    try:
        Image.new("RGB", (20, 20), "red").save(tmp_path / "photo.png")
        (tmp_path / "photo.png").rename(photo)
    except OSError:
        pytest.skip("this file system takes no such name")
    out = tmp_path / "out"
    words = ("--layer", "conv", "--prior", "none", "--steps", 1, "--image", photo)
    assert invert(*words, "--out", out) == 0
    assert invert(*words, "--resume", out) == 0
    (run,) = report(out)["runs"]
    assert (out / run["files"]["image"]).parent.parent == out / "runs"
    assert len(list((out / "images").glob("*.png"))) == 1
    assert "<b>.png" not in (out / "report.html").read_text()


def test_photos_of_one_name_keep_apart(invert: Invert, tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    for path in ("a/x.png", "b/x-2.png", "c/x.png", "c/X.png"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / path)
    words = ("--layer", "conv", "--prior", "none", "--steps", 1, "--out", tmp_path / "out")
    photos = [word for folder in ("a", "b", "c") for word in ("--image", tmp_path / folder)]
    assert invert(*words, *photos) == 0
    ids = [run["id"].lower() for run in report(tmp_path / "out")["runs"]]
    assert len(ids) == len(set(ids)) == 4


def test_hostile_names_do_not_stop_the_progress_bar(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("[/red]\n[bold\n{task.nothing}\n%s\n")
    request = Request(
        model=own_network,
        classes=("0", "2"),
        prior=("none",),
        labels=str(labels),
        steps=1,
        views=0,
        device="cpu",
    )
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=shown, force_terminal=True))
    work = Sweep(request)
    assert len(list(progress._bar(work.run(tmp_path / "out"), len(work.cells)))) == 7
    assert "[/red]" in shown.getvalue()


@pytest.mark.parametrize("link", ["images", "runs", "runs/conv-none-grace_hopper-s0", "report.json", ".lock"])
def test_links_out_of_the_folder_are_not_followed(
    link: str, invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    words = ("--layer", "conv", "--prior", "none", "--steps", 1)
    outside.mkdir()
    (out / link).parent.mkdir(parents=True)
    target = outside / "file" if link in ("report.json", ".lock") else outside
    (out / link).symlink_to(target)
    status = invert(*words, "--out", out)
    assert not list(outside.iterdir())
    error = capsys.readouterr().err
    assert (status in (1, 2) and error.count("\n") == 1) or (status == 0 and not (out / link).is_symlink())


def test_a_resumed_folder_with_a_link_is_refused(
    invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--layer", "conv", "--prior", "none", "--steps", 1)
    assert invert(*words, "--out", tmp_path / "out") == 0
    (tmp_path / "out" / "runs").rename(tmp_path / "moved")
    (tmp_path / "moved" / "conv-none-grace_hopper-s0" / "record.json").unlink()
    (tmp_path / "out" / "runs").symlink_to(tmp_path / "moved")
    before = everything(tmp_path / "moved")
    capsys.readouterr()
    assert invert(*words, "--resume", tmp_path / "out") == 1
    assert "leads out of" in capsys.readouterr().err
    assert everything(tmp_path / "moved") == before


@pytest.mark.parametrize(
    "words",
    [
        ("--steps", 10**12),
        ("--steps", "9" * 5000),
        ("--seeds", 10**9),
        ("--class", "9" * 5000),
        ("--unit", f"conv:{'9' * 5000}"),
        ("--unit", f"conv:0@{'9' * 5000},0"),
        ("--seed", 2**64),
        ("--size", 10**6),
        ("--views", 10**6),
        ("--set", "none.steps=1000000000000"),
        ("--mean", "nan,0,0"),
        ("--std", "0"),
        ("--until", "nan"),
    ],
)
def test_numbers_beyond_sense_are_refused_before_any_work(
    words: tuple[object, ...], invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invert("--layer", "conv", "--prior", "none", *words, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith("invert: error: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_device_of_thousands_of_digits_is_none() -> None:
    with pytest.raises(RequestError, match="unknown device"):
        choose_device(f"cuda:{'9' * 5000}")


def test_json_on_standard_output_is_readable_in_any_encoding(
    invert: Invert, own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("🐱\nπ\nc\nd\n", encoding="utf-8")
    words = ("--class", "0", "--prior", "none", "--steps", 1, "--views", 0, "--labels", labels)
    assert invert(*words, "--json", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert printed.isascii() and json.loads(printed)["runs"][0]["target"] == "🐱"


def test_checkpoints_hold_no_pickle(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.0)
    events = Sweep(Request(model=own_network, layer=("conv",), prior=("none",), device="cpu")).run(tmp_path)
    for _ in zip(range(4), events, strict=False):
        pass
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    events.close()
    assert {path.suffix for path in files} <= {".json", ".png", ".safetensors", ".html", ""}
