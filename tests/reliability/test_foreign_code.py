"""Model files and plug-ins are programs: they may print, move, draw at random and exit, and spoil nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import invert as library
from invert.cli import main
from invert.errors import RequestError, RunError
from invert.protocols import Canvas
from invert.subjects import load, wrap
from invert.testing import tiny_subject

Invert = Callable[..., int]

LOUD = """
import os, subprocess, sys
print("imported")
subprocess.run(["echo", "from a program"], check=True)
os.chdir("/")
from torch import nn

SIZE = 16

class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        print("made")
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        import loud_neighbour
        print("passed")
        os.chdir("/")
        return self.fc(loud_neighbour.mean(self.conv(x)))

net = Loud
"""


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that prints, changes the working folder, and imports its neighbour as it runs."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "loud.py").write_text(LOUD)
    (tmp_path / "files" / "loud_neighbour.py").write_text("def mean(x): return x.mean((2, 3))\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "loud_neighbour", raising=False)
    return "files/loud.py:net"


def test_prints_do_not_spoil_json_and_out_stays_where_it_was_meant(
    loud: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--layer", "conv", "--prior", "none", "--steps", "2", "--device", "cpu"]
    assert main([loud, *words, "--out", "out", "--json"]) == 0
    printed, told = capfd.readouterr()
    assert json.loads(printed)["status"] == "done"
    assert all(line in told for line in ("imported", "from a program", "made", "passed"))
    assert (tmp_path / "out" / "report.html").is_file() and Path.cwd() == tmp_path
    assert main(["layers", loud, "--json"]) == 0
    assert [row["name"] for row in json.loads(capfd.readouterr().out)] == ["conv", "fc", "output"]


def test_files_in_two_folders_each_import_their_own_neighbour(tmp_path: Path) -> None:
    """As of two checkouts of one project: the second must not be given the first's modules."""
    for folder, channels in (("a", 2), ("b", 5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "blocks_of_net.py").write_text(
            f"from torch import nn\ndef make(): return nn.Sequential(nn.Conv2d(3, {channels}, 3))\n"
        )
        (tmp_path / folder / "net.py").write_text("from blocks_of_net import make\nSIZE = 8\n")
    shapes = [load(f"{tmp_path / folder / 'net.py'}:make").layer("0").shape for folder in ("a", "b", "a")]
    assert shapes == [(2, 6, 6), (5, 6, 6), (2, 6, 6)]


RAISING = """
from torch import nn

SIZE, CLASSES = 16, ("a", "b")

class Panic(BaseException):
    pass

class Interrupt(KeyboardInterrupt):
    pass

class Wordless(Exception):
    def __str__(self):
        raise ValueError

ERROR, PLACE = {error}, {place!r}

def come_by(place):
    if place == PLACE or (type(place) is type(PLACE) is int and place > PLACE):
        raise ERROR

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.passes = 0
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        self.passes += 1
        come_by(self.passes)
        return self.fc(self.conv(x).mean((2, 3)))

    def train(self, mode=True):
        come_by("mode")
        return super().train(mode)

    def to(self, *where):
        come_by("moved")
        return super().to(*where)

def net():
    come_by("factory")
    return Net()

come_by("import")
"""


PLACES = ("import", "factory", "mode", "moved", 1, 4, 14)
ODD_ERRORS = (
    "SystemExit(0)",
    "Interrupt()",
    "StopIteration()",
    "Wordless()",
    "type('\\x1b' * 9999, (Exception,), {})()",
)


@pytest.mark.filterwarnings("default::invert.errors.InvertWarning")
@pytest.mark.parametrize(
    ("error", "place"),
    [("Panic('lost')", place) for place in PLACES]
    + [(error, place) for error in ODD_ERRORS for place in ("import", 1, 4)],
)
def test_whatever_a_network_raises_is_one_line(
    error: str, place: str | int, invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what is no `Exception`: as the file is read, as the network is made, at any pass through it."""
    (tmp_path / "net.py").write_text(RAISING.replace("{error}", error).replace("{place!r}", repr(place)))
    words = ("--layer", "conv", "--prior", "none", "--steps", 2, "--out", tmp_path / "out")
    assert invert(*words, model=f"{tmp_path / 'net.py'}:net") in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 or place == 14  # in a cell: what failed is told of the cell and of its row
    for line in lines:
        assert "net.py" in line or line.startswith("invert: conv-none-grace_hopper-s0 failed: ")
        assert "--debug" not in line and line.isprintable() and len(line) < 1_200


DROPPING = """
import torch
from torch import nn
from torch.nn import functional as F

SIZE = 16

class Net(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.conv, self.fc = how, nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        if self.how == "dropout":
            x = F.dropout(x)
        if self.how == "own generator":
            x = x + 0.1 * torch.rand(x.shape, generator=GENERATOR)
        if self.how == "unused":
            torch.rand(3)
        return self.fc(x.mean((2, 3)))

GENERATOR = torch.Generator()
dropout = lambda: Net("dropout")
own_generator = lambda: Net("own generator")
unused = lambda: Net("unused")
"""


@pytest.mark.parametrize("factory", ["dropout", "own_generator"])
def test_a_network_that_draws_random_numbers_is_refused(
    factory: str, invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report's own command could not give its numbers again."""
    (tmp_path / "net.py").write_text(DROPPING)
    words = ("--layer", "conv", "--prior", "none", "--steps", 2, "--out", tmp_path / "out")
    assert invert(*words, model=f"{tmp_path / 'net.py'}:{factory}") == 2
    error = capsys.readouterr().err
    assert "says something else of the same picture at every pass" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_random_numbers_that_change_nothing_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(DROPPING)
    before = torch.random.get_rng_state()
    assert len(load(f"{tmp_path / 'net.py'}:unused").layers) == 3
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ('CLASSES = {"cat", "dog"}', "CLASSES: a set does not say which output is which"),
        ('CLASSES = "ab"', "CLASSES: a str does not say which output is which"),
        ('CLASSES = {0: "cat", 1: "dog"}', "CLASSES: a dict does not say which output is which"),
        ('CLASSES = (name for name in ("cat", "dog"))', "CLASSES: a generator does not say"),
        ("MEAN = {0.5, 0.25, 0.125}", "mean and std are numbers"),
        ('MEAN = "123"', "mean and std are numbers"),
        ('SIZE = "16"', "a size is a side"),
        ("SIZE = {16, 17}", "a size is a side"),
        ("SIZE = (16.5, 16)", "a size is a side"),
        ("SIZE = 5000", "an input has at most 16,777,216 pixels"),
    ],
)
def test_constants_that_come_in_no_order_are_refused(constant: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\nSIZE = 16\nnet = lambda: nn.Sequential(nn.Conv2d(3, 2, 16), nn.Flatten())\n"
        + constant
    )
    with pytest.raises(RequestError, match=message):
        load(f"{tmp_path / 'net.py'}:net")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: nn.LazyConv2d(4, 3), "0.weight has no shape yet: it is lazy"),
        (lambda: nn.Conv2d(3, 4, 3, device="meta"), "0.weight has no values: it is on the meta device"),
        (lambda: nn.Conv2d(3, 4, 3).to(torch.float8_e4m3fn), "0.weight is float8_e4m3fn: make it float32"),
    ],
)
def test_networks_whose_weights_are_none_yet_are_one_line(
    part: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        wrap(nn.Sequential(part()), size=(3, 8, 8), mean=0.5, std=0.5)


class Wild(Canvas):
    """Starts within [0, 1], and leaves it where `far` is above 1."""

    def __init__(self, shape: tuple[int, ...], first: float, far: float) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.full(shape, 0.5))
        self.first, self.far, self.drawn = first, far, 0

    def forward(self, *_: object) -> Tensor:
        self.drawn += 1
        return self.pixels * (2 * self.far if self.drawn > 2 else 2 * self.first)


@pytest.mark.parametrize(("first", "far"), [(7.0, 7.0), (0.5, 7.0), (0.5, -1.0)])
def test_a_prior_that_leaves_the_range_of_pixels_is_told(first: float, far: float) -> None:
    """It was shown clipped and measured unclipped."""
    prior = library.prior("none", steps=5)
    object.__setattr__(prior, "start", lambda shape, rngs: Wild((len(rngs), *shape), first, far))
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RunError, match=r"the prior draws values from .*keep its images in \[0, 1\]"):
        library.run(tiny_subject(), library.FeatureMatch("conv", photo), prior)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_model_file_that_is_no_regular_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.py")
    with pytest.raises(RequestError, match="not a regular file"):
        load(f"{tmp_path / 'net.py'}:net")
