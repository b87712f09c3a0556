"""Signals, locks and limits, on processes of their own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kill_and_resume import finished, half_written, start
from reliability_helpers import report

from invert.sweeps.folder import Folder

Invert = Callable[..., int]

SLEEPER = """
import os, time
from torch import nn
SIZE = 16

class Sleeper(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if os.path.exists(__file__ + ".sleep"):
            time.sleep(60)
        return self.conv(x)

net = Sleeper
"""
WORDS = [
    "--layer",
    "conv",
    "--prior",
    "none,tv",
    "--steps",
    "100000",
    "--device",
    "cpu",
    "--quiet",
    "--jobs",
    "1",
]


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "network.py").write_text(SLEEPER)
    return f"{tmp_path / 'network.py'}:net"


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def stepping(out: Path) -> bool:
    return any(out.glob("runs/*/snapshots/*.png"))


def test_ctrl_c_once_keeps_the_best_and_writes_the_report(model: str, tmp_path: Path) -> None:
    """The real command, in a process group of its own as a terminal makes one."""
    out = tmp_path / "out"
    program = [sys.executable, "-c", "import sys; from invert.cli import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*program, model, *WORDS, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: stepping(out))
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"invert: interrupted; the same command with --resume {out} goes on" in error
    assert "Traceback" not in error
    assert_interrupted(out)


def assert_interrupted(out: Path) -> None:
    content = report(out)
    assert content["status"] == "interrupted"
    assert [(run["prior"], run["stopped"]) for run in content["runs"]] == [("none", "interrupted")]
    assert (out / content["runs"][0]["files"]["image"]).is_file()
    assert "Interrupted" in (out / "report.html").read_text()
    assert not half_written(out)


def test_sigterm_is_like_ctrl_c_and_twice_stops_at_once(model: str, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    process = start([model, *WORDS, "--out", str(out)], log)
    wait_for(lambda: stepping(out))
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 130
    assert_interrupted(out)

    before = finished(out)
    process = start([model, *WORDS, "--resume", str(out)], log)
    wait_for(lambda: report(out)["status"] == "running")
    (tmp_path / "network.py.sleep").touch()  # from now on a step takes a minute
    time.sleep(0.5)
    os.kill(process.pid or 0, signal.SIGINT)
    wait_for(lambda: b"stopping after this step" in log.read_bytes())
    os.kill(process.pid or 0, signal.SIGINT)
    process.join(10)
    assert process.exitcode == 130
    assert b"stopped at once" in log.read_bytes() and b"Traceback" not in log.read_bytes()
    assert report(out)["status"] == "interrupted"
    assert finished(out) == before and not half_written(out) and not list(out.rglob("*.part"))


def test_two_runs_do_not_mix(
    invert: Invert, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is refused while the first lives; the lock that a killed one leaves behind is none."""
    out = tmp_path / "out"
    process = start([model, *WORDS, "--out", str(out)], tmp_path / "log")
    wait_for(lambda: stepping(out))
    words = ("--layer", "conv", "--prior", "none", "--steps", 1)
    assert invert(*WORDS, "--resume", out, model=model) == 2
    assert "is being written by another run" in capsys.readouterr().err
    process.kill()
    process.join()
    assert (out / ".lock").exists()
    assert invert(*words, "--resume", out) == 2
    assert "was made by another request" in capsys.readouterr().err
    Folder(out).close()


@contextmanager
def limited_files() -> Iterator[None]:
    """Files may not grow over 2 kB, as on a disk with a quota; no fixture, for pytest writes a log too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_ends_in_one_line(
    invert: Invert, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with limited_files():
        assert invert("--layer", "conv", "--prior", "none", "--steps", 1, "--out", tmp_path) == 1
    error = capfd.readouterr().err
    assert error.startswith("invert: error: cannot write ") and "File too large" in error
    assert error.count("\n") == 1 and not half_written(tmp_path)
