"""Cells worked on by several processes: the same files, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kill_and_resume import contents, differences, finished, half_written, start
from reliability_helpers import report, tiny_dip
from test_processes import SLEEPER, wait_for

from invert.sweeps.machine import threads
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.sweep import Notice, Sweep

Invert = Callable[..., int]
TWO = Placement(jobs=2)


def workers(process: int) -> list[int]:
    """The workers that a process has started, in any of its threads, and that live."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    started = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    return [n for n in started if b"worker_process" in Path(f"/proc/{n}/cmdline").read_bytes()]


def test_two_jobs_write_the_files_of_one(invert: Invert, tmp_path: Path) -> None:
    words = ("--layer", "conv,fc", "--prior", "dip,tv,none", "--seeds", 2, "--steps", 8, *tiny_dip())
    one, two = tmp_path / "one", tmp_path / "two"
    assert invert(*words, "--jobs", 1, "--out", one) == 0
    assert invert(*words, "--jobs", 2, "--out", two) == 0
    assert len(finished(two)) == 12
    assert differences(contents(one), contents(two)) == []
    assert {run["threads"] for run in report(two)["runs"]} == {threads()}
    assert not workers(os.getpid())


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "network.py").write_text(SLEEPER)
    return f"{tmp_path / 'network.py'}:net"


LONG = ["--layer", "conv", "--prior", "none,tv", "--device", "cpu", "--quiet", "--jobs", "2"]


def stepping(out: Path) -> int:
    """How many runs are under way."""
    return len({path.parent for path in out.glob("runs/*/snapshots/*.png")})


def test_ctrl_c_once_keeps_the_best_of_every_worker(model: str, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    process = start([model, *LONG, "--steps", "100000", "--out", str(out)], log)
    wait_for(lambda: stepping(out) == 2)
    (pid, at_work) = process.pid or 0, workers(process.pid or 0)
    assert len(at_work) == 2
    for each in at_work:  # a terminal sends it to all of them
        os.kill(each, signal.SIGINT)
        os.kill(each, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130 and b"Traceback" not in log.read_bytes()
    content = report(out)
    assert content["status"] == "interrupted"
    assert [(run["prior"], run["stopped"]) for run in content["runs"]] == [
        ("none", "interrupted"),
        ("tv", "interrupted"),
    ]
    assert len(list(out.glob("runs/*/checkpoint.safetensors"))) == 2 and not half_written(out)
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in at_work))


def test_workers_end_with_a_driver_that_is_killed_and_their_cells_go_on(
    model: str, tmp_path: Path, invert: Invert
) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    asked = [*LONG, "--steps", "1500", "--out", str(out), "--resume"]
    process = start([model, *asked], log, checkpoints=0.1)
    wait_for(lambda: stepping(out) > 0)
    at_work = workers(process.pid or 0)
    process.kill()
    process.join()
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in at_work))
    assert invert(*asked, model=model) == 0
    assert invert(*LONG, "--steps", 1500, "--jobs", 1, "--out", tmp_path / "one", model=model) == 0
    assert differences(contents(tmp_path / "one"), contents(out)) == []


def run(request: Request, out: Path, kill: bool = False) -> Iterator[str]:
    """Run with two workers, which are killed as soon as one has begun; what was said."""
    for event in Sweep(request, where=TWO).run(out):
        if kill and stepping(out):
            kill = False
            for each in workers(os.getpid()):
                os.kill(each, signal.SIGKILL)
        if isinstance(event, Notice):
            yield event.text


def test_the_cells_of_a_worker_that_is_killed_are_done_again(own_network: str, tmp_path: Path) -> None:
    request = Request(model=own_network, layer=("conv",), prior=("none", "tv"), steps=600, device="cpu")
    assert list(run(request, tmp_path / "whole")) == []
    said = list(run(request, tmp_path / "killed", kill=True))
    again = [f"conv-{prior}-grace_hopper-s0 is done again" for prior in ("none", "tv")]
    assert sorted(said) == [f"a worker was ended by SIGKILL, perhaps for want of memory: {a}" for a in again]
    assert differences(contents(tmp_path / "whole"), contents(tmp_path / "killed")) == []
    assert not workers(os.getpid())


def test_a_cell_that_ends_every_worker_has_failed(tmp_path: Path) -> None:
    """The others are done, and what is said is why. Its layer is reached at each of its steps alone."""
    (tmp_path / "network.py").write_text(
        "import os, sys\nfrom torch import nn\nSIZE, seen = 16, []\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)\n"
        "    def forward(self, x):\n"
        "        x = self.a(x)\n"
        "        seen.append(x.requires_grad)\n"
        "        if sum(seen) > 40 and 'worker_process' in str(sys.orig_argv):\n            os._exit(3)\n"
        "        return self.b(x)\n"
        "net = Net\n"
    )
    request = Request(
        model=f"{tmp_path / 'network.py'}:net", layer=("a", "b"), prior=("none",), steps=100, device="cpu"
    )
    said = list(run(request, tmp_path / "out"))
    content = report(tmp_path / "out")
    assert content["status"] == "failed" and len(said) == 3
    failed = {run["layer"]: run["error"] for run in content["runs"]}
    assert failed["a"] is None
    assert failed["b"] == "with this cell 3 workers were lost, the last one ended with status 3"
