"""How much sooner ours reaches the feature error that the published loop ends with, in one run.

    python benchmarks/time_to_quality.py [--prior dip,tv,none] [--iterations 500,3100]
    python benchmarks/time_to_quality.py squeezenet1_1 --weights squeezenet1_1.safetensors \\
        --layer features.12 --image building.jpg

For each layer, photo and prior the published loop and ours, with its defaults, take turns, a few
iterations each, so that a busy machine slows both alike; each is timed by itself. The yardstick is
the least feature error that the published loop has come to after so many iterations. What ours
reached is evaluated in fp32, whatever precision it works in. `--set` tries other settings than the
defaults: this is the study that chose them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from published import PublishedLoop

import invert
from invert.optimise import Step
from invert.photos import default_photo, expand
from invert.run import Problem, default_prior
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


def ours(problem: Problem, seed: int, precision: str) -> Iterator[tuple[float, float]]:
    """Its pictures are evaluated in fp32 outside the time."""
    before = 0.0
    for event in problem.optimisation([seed], precision=precision):
        if isinstance(event, Step):
            with torch.no_grad():
                error = float(problem.loss(event.image))
            yield error, event.seconds - before
            before = event.seconds


def race(one: Iterator[tuple[float, float]], other: Iterator[tuple[float, float]]) -> tuple[Track, Track]:
    tracks, waiting = (Track(), Track()), [one, other]
    left = [0, 1]
    while left:
        for index in list(left):
            for _ in range(TURN):
                step = next(waiting[index], None)
                if step is None:
                    left.remove(index)
                    break
                tracks[index].add(*step)
    return tracks


def main() -> None:
    options = arguments()
    subject = invert.load(options.model, weights=options.weights).to(options.device)
    print(f"{subject.name} ({subject.weights}), {options.device}, {options.precision}, seed {options.seed}")
    print(f"{'layer':14}{'photo':16}{'prior':7}{'published':>26}{'ours':>22}{'sooner':>9}")
    settings = parse_assignments(options.assignments)
    sooner: dict[tuple[str, int], list[float]] = {}
    for layer in options.layer.split(","):
        for path in expand(options.image) if options.image else [default_photo()]:
            photo = subject.image(path)
            for prior in options.prior.split(","):
                loop = PublishedLoop(subject, layer, photo, prior, options.seed)
                chosen = default_prior(prior, "feature", **settings.get(prior, {}))
                problem = Problem.pose(subject, invert.FeatureMatch(layer, photo), chosen)
                theirs, own = race(
                    published(loop, max(options.iterations)),
                    ours(problem, options.seed, options.precision),
                )
                for iterations in options.iterations:
                    error, seconds = theirs.errors[iterations - 1], theirs.seconds[iterations - 1]
                    step = own.reaches(error)
                    reached = f"step {step:4} {own.seconds[step - 1]:7.1f} s" if step else "not reached"
                    ratio = seconds / own.seconds[step - 1] if step else 0.0
                    sooner.setdefault((prior, iterations), []).append(ratio)
                    print(
                        f"{layer:14}{path.name:16}{prior:7}{iterations:5} its {error:8.4f} {seconds:6.1f} s"
                        f"{reached:>22}{f'{ratio:.1f} ×' if step else '–':>9}"
                        f"   ours ends at {own.errors[-1]:.4f}",
                        flush=True,
                    )
    for (prior, iterations), ratios in sooner.items():
        print(
            f"{prior}, to the error of {iterations} iterations: {statistics.median(ratios):.1f} × sooner "
            f"(median of {len(ratios)}; {min(ratios):.1f} to {max(ratios):.1f}; 0 is not reached)"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", nargs="?", default="alexnet-mini")
    parser.add_argument("--weights")
    parser.add_argument("--layer", default="relu3", help="names between commas (default: relu3)")
    parser.add_argument("--image", action="append", metavar="FILE|DIR", help="default: the bundled photo")
    parser.add_argument("--prior", default="dip")
    parser.add_argument(
        "--iterations", type=lambda text: sorted(map(int, text.split(","))), default=[500],
        help="of the published loop, after which its error is the yardstick (default: 500)",
    )  # fmt: skip
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="PRIOR.NAME=VALUE",
                        help="settings of ours other than the defaults")  # fmt: skip
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
