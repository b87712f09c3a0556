"""How much of their time workers work, with 1 to 8 of them: cells that sleep, on nodes that are simulated.

    python benchmarks/workers.py                       Ray, a node a worker, all on this machine
    python benchmarks/workers.py --on processes --workers 1,2,4,8

A cell's network sleeps instead of computing, so that workers need no core each: what is measured is what
handing out, taking in and writing down costs, not what computing side by side does (benchmarks/jobs.py).
The time is from the first step of the first cell to the last record; starting workers is told beside it.
Efficiency is T(1) / (N T(N)).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import CellFinished, GroupStep

SLEEPER = """
import time
from torch import nn
SIZE = 32

class Sleeper(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if x.requires_grad:
            time.sleep({sleep})
        return self.conv(x)

net = Sleeper
"""
STEPS = 20


def seconds(folder: Path, where: Placement, cells: int, sleep: float) -> tuple[float, float, float]:
    """From the first step to the last record, before that, and of the driver's processor in all."""
    (folder / "network.py").write_text(SLEEPER.format(sleep=sleep))
    request = Request(
        model=f"{folder / 'network.py'}:net",
        layer=("conv",),
        prior=("none",),
        seeds=tuple(range(cells)),
        steps=STEPS,
        device="cpu",
    )
    sweep = Sweep(request, where=where)
    began, first, last, used = time.monotonic(), None, 0.0, time.process_time()
    ready: set[str] = set()
    for event in sweep.run(folder / "out"):
        if isinstance(event, GroupStep) and first is None:
            ready.add(event.cells[0].id)
            first = time.monotonic() if len(ready) >= (where.jobs or 1) else None
        if isinstance(event, CellFinished):
            last = time.monotonic()
    assert first is not None and sweep.summary.content.status == "done"
    return last - first, first - began, time.process_time() - used


def cluster(nodes: int) -> Any:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(nodes):
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", choices=("ray", "processes"), default="ray")
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--cells", type=int, default=64)
    parser.add_argument("--sleep", type=float, default=0.05, help="seconds a step, of which a cell has 20")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"{options.cells} cells that sleep {STEPS * options.sleep:.2f} s, on {options.on}")
    alone = None
    for jobs in map(int, options.workers.split(",")):
        with tempfile.TemporaryDirectory() as temporary:
            if options.on == "ray":
                nodes = cluster(jobs)
                where = Placement(on=f"ray={nodes.address}", jobs=jobs, needs={"cpus": 1.0})
            else:
                where = Placement(jobs=jobs)
            took, start, used = seconds(Path(temporary), where, options.cells, options.sleep)
            if options.on == "ray":
                nodes.shutdown()
        alone = alone or took * jobs
        print(
            f"{jobs} workers: {took:6.2f} s, efficiency {alone / (jobs * took):.2f}; "
            f"start {start:.1f} s; driver {1000 * used / options.cells:.0f} ms of processor time a cell",
            flush=True,
        )
