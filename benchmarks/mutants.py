"""Break the code on purpose, one change at a time, and see the tests go red.

    python benchmarks/mutants.py                    all, each against the fast part of the suite
    python benchmarks/mutants.py schedule patience  these
    python benchmarks/mutants.py --list

Each change is made in a copy of the code, which the tests then import instead of this one. A change
that no test notices is a wire that anybody could cut: exit status 1. The list began with fifteen
that once passed the whole suite together. A tool that makes changes by itself (mutmut) finds more
and takes days here, because a test of a picture takes seconds; what it finds belongs into this list.
`tests/test_mutants.py` holds that every change still applies.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("invert", "priors", "reports")
PYTEST = (
    sys.executable,
    "-m",
    "pytest",
    "-q",
    "-x",
    "-c",
    str(ROOT / "pyproject.toml"),
    "-p",
    "no:cacheprovider",
)


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`, and is replaced by `new`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant("schedule", "invert/engine/optimisation.py",
           "rate = self.rate(self.step / self.steps)", "rate = self.rate(0.5)"),
    Mutant("another-photo", "invert/measures/evidence.py", ".roll(1, 0)", ".roll(0, 0)"),
    Mutant("tiles", "invert/measures/decomposition.py",
           '[shares(decompose(photos[y, x], inversions[y, x]))["kept"] for x', "[0.0 for x"),
    Mutant("divergence", "invert/measures/class_kept.py",
           "(photo.exp() * (photo - inversion))", "(inversion.exp() * (inversion - photo))"),
    Mutant("seconds", "invert/engine/stopwatch.py",
           "self._seconds += time.perf_counter() - self._began", "pass"),
    Mutant("running-mean", "invert/engine/problem.py", "SMOOTHING if viewer else 0.0", "0.0"),
    Mutant("patience", "invert/engine/stopping.py",
           "self.level - self.fall * self.level.abs().nan_to_num(posinf=0)", "self.level"),
    Mutant("identity-judged", "invert/measures/identity.py", "if row.judge is not None:", "if False:"),
    Mutant("attribution-of-class-0", "invert/sweeps/worker.py",
           "class_index = self.subject.top(self.photo, 1)[0][0][0]", "class_index = 0"),
    Mutant("notebook-html", "invert/api.py", "{escape(self._in_words())}", "{self._in_words()}"),
    Mutant("last-for-best", "invert/api.py",
           "image = stopped.best[b : b + 1]", "image = stopped.last[b : b + 1]"),
    Mutant("colours", "priors/invert_priors/generator.py", "torch.tensor(NATURAL_COLOURS)", "torch.eye(3)"),
    Mutant("spread-of-runs", "invert/sweeps/summary.py",
           "float(torch.tensor(values).std()) if len(values) > 1", "0.0 if len(values) > 1"),
    Mutant("spread-of-photos", "invert/measures/decomposition.py",
           "float((part / energy.shown)[seen].std())", "0.0"),
    Mutant("target-score", "invert/measures/target.py",
           "return float(evidence.logits[evidence.target_index])", "return -evidence.loss"),
    Mutant("schema", "invert/sweeps/summary.py", "row.tiles = kept_map(evidence) if row.seeds > 1 else None",
           'row.tiles = "a map"'),
    # Found since.
    Mutant("until-of-a-class", "invert/engine/problem.py",
           "if self.objective.terms[0][1] is not self.objective:", "if False:"),
    Mutant("pairs-of-seeds", "invert/measures/decomposition.py",
           "(products.sum(1).square() - products.square().sum(1)) / (k * (k - 1))",
           "products.mean(1).square()"),
    Mutant("warmup", "invert/engine/problem.py", "if fraction < prior.warmup:", "if False:"),
    Mutant("known-pixels", "invert/operators/mask.py", "agreed[:, :, self.known] = observed", "pass"),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="which (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--tests", nargs="*", default=["-m", "not slow"], help="words for pytest")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.names or m.name in options.names]
    if options.list:
        print("\n".join(mutant.name for mutant in MUTANTS))
        return 0
    survived = [mutant.name for mutant in chosen if not is_noticed(mutant, options.tests)]
    print(f"{len(chosen) - len(survived)} of {len(chosen)} were noticed", *survived, sep="\n  survived: ")
    return 1 if survived else 0


def is_noticed(mutant: Mutant, tests: list[str]) -> bool:
    """Whether a test fails on the changed code."""
    with tempfile.TemporaryDirectory() as folder:
        for package in CODE:
            shutil.copytree(ROOT / package, Path(folder) / package)
        file = Path(folder) / mutant.file
        file.write_text(applied(mutant), encoding="utf-8")
        paths = os.pathsep.join([folder, *(str(Path(folder) / package) for package in CODE[1:])])
        done = subprocess.run(
            [*PYTEST, *tests, str(ROOT / "tests")],
            cwd=folder,  # which comes before everything else on the path of `python -m`
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
    by = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), "")
    print(f"{mutant.name}: {by or 'NOT NOTICED'}", flush=True)
    return done.returncode == 1


def applied(mutant: Mutant) -> str:
    """The file with the change. Raises `ValueError` where the code to be changed is not there once."""
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} holds {mutant.old!r} {text.count(mutant.old)} times")
    return text.replace(mutant.old, mutant.new)


if __name__ == "__main__":
    raise SystemExit(main())
