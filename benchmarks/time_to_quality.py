"""How much sooner ours reaches the feature error that the published loop ends with, in one run.

    python benchmarks/time_to_quality.py [--prior dip,tv,none] [--iterations 500,3100]
    python benchmarks/time_to_quality.py squeezenet1_1 --weights squeezenet1_1.safetensors \\
        --layer features.12 --image building.jpg --iterations 500,3100 --steps 500,2000

For each layer, photo, prior and seed the published loop and ours, with its defaults, take turns, a few
iterations each, so that a busy machine slows both alike; each is timed by itself. The yardstick is
the least feature error that the published loop has come to after so many iterations. What ours
reached is evaluated in fp32, whatever precision it works in. `--steps` runs ours for other numbers
of steps beside each other (its rate falls over the run, so that each is a run of its own), and
`--set` tries other settings than the defaults: this is the study that chose them. Take several
seeds: early steps are chaotic, and two runs from one seed part by their rounding.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, product

import torch
from published import PublishedLoop

import invert
from invert.engine.optimisation import Step
from invert.engine.problem import Problem
from invert.photos import default_photo, expand
from invert.settings import parse_assignments

TURN = 5
"""Iterations a turn."""


@dataclass
class Track:
    """The least feature error so far and the seconds until then, an entry an iteration."""

    errors: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, error: float, seconds: float) -> None:
        self.errors.append(min(error, self.errors[-1]) if self.errors else error)
        self.seconds.append((self.seconds[-1] if self.seconds else 0.0) + seconds)

    def reaches(self, error: float) -> int | None:
        """The first iteration, from 1, that is at `error` or below."""
        return next((i for i, reached in enumerate(self.errors, start=1) if reached <= error), None)


def published(loop: PublishedLoop, iterations: int) -> Iterator[tuple[float, float]]:
    for _ in range(iterations):
        began = time.perf_counter()
        error = loop.step()
        yield error, time.perf_counter() - began


def ours(problem: Problem, steps: int, seed: int, precision: str) -> Iterator[tuple[float, float]]:
    """Its pictures are evaluated in fp32 outside the time."""
    before = 0.0
    for event in problem.optimisation([seed], steps, precision=precision):
        if isinstance(event, Step):
            with torch.no_grad():
                error = float(problem.loss(event.image))
            yield error, event.seconds - before
            before = event.seconds


def race(*runs: Iterator[tuple[float, float]]) -> list[Track]:
    tracks = [Track() for _ in runs]
    left = list(zip(runs, tracks, strict=True))
    while left:
        for run, track in list(left):
            turn = list(islice(run, TURN))
            for step in turn:
                track.add(*step)
            if len(turn) < TURN:
                left.remove((run, track))
    return tracks


def main() -> None:
    options = arguments()
    subject = invert.load(options.model, weights=options.weights).to(options.device)
    print(f"{subject.name} ({subject.weights}), {options.device}, {options.precision}")
    print(f"{'layer':14}{'photo':16}{'prior':7}{'seed':>4}{'published':>27}{'ours':>27}{'sooner':>9}")
    settings = parse_assignments(options.assignments)
    sooner: dict[tuple[str, int, int], list[float]] = {}
    places = product(options.layer.split(","), expand(options.image) if options.image else [default_photo()])
    for (layer, path), prior, seed in product(places, options.prior.split(","), options.seed):
        photo = subject.image(path)
        chosen = invert.prior(prior, **settings.get(prior, {}))
        problem = Problem.pose(subject, invert.FeatureMatch(layer, photo), chosen)
        lengths = options.steps or [chosen.steps]
        theirs, *own = race(
            published(PublishedLoop(subject, layer, photo, prior, seed), max(options.iterations)),
            *(ours(problem, steps, seed, options.precision) for steps in lengths),
        )
        for iterations, (steps, track) in product(options.iterations, zip(lengths, own, strict=True)):
            error, seconds = theirs.errors[iterations - 1], theirs.seconds[iterations - 1]
            step = track.reaches(error)
            when = f"step {step:4} {track.seconds[step - 1]:7.1f} s" if step else "not reached"
            ratio = seconds / track.seconds[step - 1] if step else 0.0
            sooner.setdefault((prior, iterations, steps), []).append(ratio)
            print(
                f"{layer:14}{path.name[:15]:16}{prior:7}{seed:4}"
                f"{iterations:6} its {error:8.4f} {seconds:6.1f} s"
                f"{when:>27}{f'{ratio:.1f} ×' if step else '–':>9}"
                f"   ours ends after {steps} steps at {track.errors[-1]:.4f}",
                flush=True,
            )
    for (prior, iterations, steps), ratios in sooner.items():
        reached = [ratio for ratio in ratios if ratio]
        title = f"{prior}, {steps} steps, to the error of {iterations} iterations"
        print(f"{title}: reached in {len(reached)} of {len(ratios)}", end="")
        if reached:
            print(f", {statistics.median(reached):.1f} × sooner", end="")
            print(f" (median; {min(reached):.1f} to {max(reached):.1f})", end="")
        print()


def whole_numbers(text: str) -> list[int]:
    return sorted(map(int, text.split(",")))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?", default="alexnet-mini")
    parser.add_argument("--weights")
    parser.add_argument("--layer", default="relu3", help="names between commas (default: relu3)")
    parser.add_argument("--image", action="append", metavar="FILE|DIR", help="default: the bundled photo")
    parser.add_argument("--prior", default="dip")
    parser.add_argument(
        "--iterations", type=whole_numbers, default=[500],
        help="of the published loop, after which its error is the yardstick (default: 500)",
    )  # fmt: skip
    parser.add_argument("--steps", type=whole_numbers, help="of ours (default: the prior's)")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="PRIOR.NAME=VALUE",
                        help="settings of ours other than the defaults")  # fmt: skip
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=whole_numbers, default=[0], help="numbers between commas")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
