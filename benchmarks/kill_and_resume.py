"""Kills a run at random moments, resumes it, and compares it with one that was left alone.

    python benchmarks/kill_and_resume.py                    50 kills over 6 cells, some minutes
    python benchmarks/kill_and_resume.py --kills 4 --steps 60 --seed 1

Each attempt is a process of its own that SIGKILL ends after a random time. After each kill, and
in the end, it checks: no file is half there; a cell that was finished is not computed again; none
is lost; and the whole folder, `report.json` included, equals that of the uninterrupted run but
for times. Exit status 1, with what went wrong, where it does not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import sys
import tempfile
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from invert.cli import main
from invert.sweeps import worker

NETWORK = """
from collections import OrderedDict
from torch import nn

SIZE, MEAN, STD = 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CLASSES = ("cat", "dog", "house cat", "golf ball")

def net():
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(3, 8, 5, stride=2, padding=2), relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(4), flatten=nn.Flatten(), fc=nn.Linear(128, 4),
    ))
"""
CELLS = 6
DIP = ("channels=4,4", "skip_channels=1,1", "kernels_down=3,3", "kernels_up=3,3", "input_channels=4")
TIMES = ("created", "seconds")
DRAWN = (".html", ".csv")
CHECKPOINTS = 0.1
"""Seconds between checkpoints: 30 in a real run, whose cells take minutes."""


def words(folder: Path, steps: int) -> list[str]:
    """Two layers under three priors, each of which draws noise or keeps state in its own way."""
    (folder / "network.py").write_text(NETWORK)
    asked = [f"{folder / 'network.py'}:net", "--layer", "conv,fc", "--prior", "dip,tv,none"]
    for setting in DIP:
        asked += ["--set", f"dip.{setting}"]
    return [*asked, "--steps", str(steps), "--device", "cpu", "--quiet", "--jobs", "1"]


def start(asked: list[str], log: Path, checkpoints: float = CHECKPOINTS) -> BaseProcess:
    """`invert` with these words in a process of its own, its standard error in `log`.

    It is forked from a server that has imported torch and done nothing else, which saves seconds a start.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["invert.cli.carry_out"])
    process = context.Process(target=_invert, args=(asked, log, checkpoints))
    process.start()
    return process


def _invert(asked: list[str], log: Path, checkpoints: float) -> None:
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    worker.CHECKPOINT_SECONDS = checkpoints
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        sys.exit(main(asked))


def attempt(asked: list[str], out: Path, seconds: float | None = None) -> int | None:
    """Run, or resume, and kill after `seconds`: the exit status, None if killed."""
    process = start([*asked, "--resume", str(out)], out.with_suffix(".log"))
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return None if process.exitcode == -9 else process.exitcode


def finished(out: Path) -> dict[str, tuple[int, int, bytes]]:
    """What tells whether a finished cell was touched: its record's inode, time of writing, and content."""
    return {
        path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(out.glob("runs/*/record.json"))
    }


def half_written(out: Path) -> list[str]:
    """Files under their own names that are not whole."""
    found = []
    for path in out.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if path.suffix == ".json":
            try:
                json.loads(content)
            except ValueError:
                found.append(str(path))
        elif (path.suffix == ".png" and not content.endswith(b"IEND\xaeB`\x82")) or (
            path.suffix == ".html" and not content.rstrip().endswith(b"</html>")
        ):
            found.append(str(path))
    return found


def contents(out: Path) -> dict[str, Any]:
    """Every file of a run by its path, but those drawn from report.json; JSON without its times."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.suffix not in DRAWN)
    return {
        path.relative_to(out).as_posix(): _without_times(json.loads(path.read_bytes()))
        if path.suffix == ".json"
        else path.read_bytes()
        for path in files
    }


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(item) for name, item in value.items() if name not in TIMES}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def differences(whole: dict[str, Any], resumed: dict[str, Any]) -> list[str]:
    """The files that two runs do not share."""
    return sorted(
        name
        for name in whole.keys() | resumed.keys()
        if name not in whole or name not in resumed or whole[name] != resumed[name]
    )


def kill_and_resume(folder: Path, kills: int, steps: int, seed: int) -> list[str]:
    """Kill `kills` times, in as many runs as that takes; what went wrong, in words."""
    rng = random.Random(seed)
    asked = words(folder, steps)
    status = attempt(asked, folder / "whole")
    whole = contents(folder / "whole")
    wrong = [] if status == 0 and len(finished(folder / "whole")) == CELLS else ["the run left alone failed"]
    longest, done, run = 1.0, 0, 0
    while done < kills and not wrong:
        run += 1
        out = folder / f"killed-{run}"
        status = None
        while status is None:
            before = finished(out)
            status = attempt(asked, out, rng.uniform(0, longest) if done < kills else None)
            done += status is None
            print(
                f"{'killed' if status is None else f'status {status}'}, {len(finished(out))} finished",
                flush=True,
            )
            after = finished(out)
            # So that the kills are spread over all cells, whatever else this machine is doing.
            longest *= 1.3 if len(after) / CELLS < done / kills else 1 / 1.3
            wrong += [f"{name} was computed again" for name in before if after.get(name) != before[name]]
            wrong += [f"{name} is half written" for name in half_written(out)]
        wrong += [] if status == 0 else [f"the resumed run ended with status {status}"]
        wrong += [f"{name} differs from the run left alone" for name in differences(whole, contents(out))]
        print(f"run {run}: {done} kills so far, {'not equal' if wrong else 'equal'}", flush=True)
    print(f"{done} kills in {run} runs of {CELLS} cells of {steps} steps")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        problems = kill_and_resume(Path(temporary), options.kills, options.steps, options.seed)
    print("\n".join(problems) or "nothing was lost, nothing was computed twice")
    sys.exit(1 if problems else 0)
