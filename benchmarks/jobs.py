"""What several workers bring on this machine: the same study by one process and by as many as pay.

    python benchmarks/jobs.py --study demo      the cells of `make demo`: dip, tv and none
    python benchmarks/jobs.py --study dip       24 cells of dip
    python benchmarks/jobs.py --study dip --steps 60

Each study is run three times into folders of its own: `before`, by one process with a thread a core, as
was the rule before there was --jobs; `one`, by one process with the threads that a cell has here; and
`default`. It prints the seconds of each from start to end, loading and pages included, and says whether
`one` and `default` wrote the same files but for times. The machine must have nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_and_resume import contents, differences

from invert.sweeps.machine import cores

STUDIES = {
    "demo": ("relu1,relu3,relu5,fc6", "dip,tv,none", 2),
    "dip": ("relu1,relu3,relu5,fc6", "dip", 6),
}
PROGRAM = "import sys; from invert.cli import main; sys.exit(main(sys.argv[1:]))"


def seconds(study: str, steps: int, out: Path, jobs: str | None, threads: int | None) -> float:
    layers, priors, seeds = STUDIES[study]
    words = [
        "alexnet-mini",
        "--layer",
        layers,
        "--prior",
        priors,
        "--seeds",
        str(seeds),
        "--steps",
        str(steps),
    ]
    words += ["--device", "cpu", "--out", str(out), "--quiet", *(("--jobs", jobs) if jobs else ())]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", PROGRAM, *words], env=environment, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", choices=STUDIES, default="demo")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--skip-one", action="store_true", help="no run for the comparison of files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        before = seconds(options.study, options.steps, folder / "before", "1", cores())
        print(f"{options.study}, {options.steps} steps, {cores()} cores", flush=True)
        print(f"before: one process, {cores()} threads: {before:.1f} s", flush=True)
        default = seconds(options.study, options.steps, folder / "default", None, None)
        print(f"default: {default:.1f} s, {before / default:.2f} × sooner", flush=True)
        if not options.skip_one:
            one = seconds(options.study, options.steps, folder / "one", "1", None)
            other = differences(contents(folder / "one"), contents(folder / "default"))
            print(f"one process: {one:.1f} s; files that differ: {', '.join(other) or 'none'}")
