"""Does the same call with the same seed still give the same bits?

    python benchmarks/same_bits.py                 compare with same_bits.json; status 1 where they differ
    python benchmarks/same_bits.py --write FILE    write what this code computes

Pictures, traces, steps and reasons of short runs, as digests: every prior, alone and three seeds
together, for features, a class and a unit, ended by `until`, by `patience`, by either and by the
number of steps, on one thread, in fp32 and, where the CPU multiplies it, in bf16; and of a photo that
has the network's size already, which nothing resizes. Bits belong to a machine and a version of torch:
write the file with the old code before judging the new one elsewhere. same_bits.json was
written with the code of commit a3a2b7b, from before the engine was built anew.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import invert
from invert.photos import default_photo
from invert.testing import tiny_subject

FIXTURE = Path(__file__).with_suffix(".json")
PRIORS = ("none", "tv", "dip")
STEPS = 12
TOGETHER = (3, 4, 5)
PATIENCE = 3
FEATURES, CLASS, UNIT = "features", "class", "unit"
UNTIL = {FEATURES: 0.55, CLASS: 1.2, UNIT: -0.3}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {"made with": made_with(), "runs": dict(runs())}
    if options.write:
        options.write.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    wanted = json.loads(FIXTURE.read_text())
    if wanted["made with"] != found["made with"]:
        print(f"{FIXTURE.name} was made with {wanted['made with']}, this is {found['made with']}")
    changed = [name for name, digests in wanted["runs"].items() if found["runs"].get(name) != digests]
    for name in changed:
        print(f"{name}: was {wanted['runs'][name]}, is {found['runs'].get(name)}")
    print(f"{len(wanted['runs']) - len(changed)} of {len(wanted['runs'])} runs give the same bits")
    return 1 if changed else 0


def runs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every run by a name that says what it is."""
    subject = tiny_subject()
    objectives = {
        FEATURES: invert.FeatureMatch("relu", default_photo()),
        CLASS: invert.ClassLogOdds(2),
        UNIT: invert.Channel("relu", 3),
    }
    ends: dict[str, tuple[bool, bool]] = {
        "steps": (False, False), "until": (True, False), "patience": (False, True), "both": (True, True)
    }  # fmt: skip
    for precision in precisions():
        for prior in PRIORS:
            for kind, objective in objectives.items():
                for end, (until, patience) in ends.items():
                    stops = {
                        "until": UNTIL[kind] if until else None,
                        "patience": PATIENCE if patience else None,
                    }
                    for seeds in ((TOGETHER[0],), TOGETHER):
                        name = f"{prior}, {kind}, {end}, seeds {seeds}, {precision}"
                        yield name, solve(subject, objective, prior, seeds, STEPS, precision, **stops)
        mini = invert.load("alexnet-mini")
        for prior in PRIORS:
            objective = invert.FeatureMatch("relu3", default_photo())
            yield f"alexnet-mini, {prior}, {precision}", solve(mini, objective, prior, (0,), 3, precision)
    neuron, direction = invert.Neuron("conv", 3), invert.Direction("relu", tuple(range(8)))
    for prior in PRIORS:
        yield f"{prior}, neuron", solve(subject, neuron, prior, (0,), STEPS)
        yield f"{prior}, direction, together", solve(subject, direction, prior, TOGETHER, STEPS)
        both = objectives[FEATURES] + 0.1 * objectives[CLASS]
        yield f"{prior}, a sum", solve(subject, both, prior, (0,), STEPS)
        slow = invert.prior(prior, learning_rate=1e-6)
        yield (
            f"{prior}, plateau",
            solve(subject, objectives[FEATURES], slow, TOGETHER, STEPS, patience=PATIENCE),
        )
    mini = invert.load("alexnet-mini")
    photo = invert.FeatureMatch("relu3", fitting_photo(mini))
    for prior in PRIORS:
        yield f"{prior}, a photo of the network's size", solve(mini, photo, prior, (0,), 3)
    noisy = invert.prior("dip", preset="maximisation-paper", steps=6)
    yield (
        "dip with input noise, trace",
        {
            "loss": solve(subject, objectives[CLASS], noisy, (0,), 6)["loss"],
            "together": solve(subject, objectives[CLASS], noisy, TOGETHER, 6)["loss"],
        },
    )


def fitting_photo(subject: invert.Subject) -> Image.Image:
    """A photo that is neither resized nor cut: it gets its layout in memory from reading alone."""
    _, height, width = subject.input_shape
    with Image.open(default_photo()) as photo:
        return photo.convert("RGB").resize((width, height))


def precisions() -> list[str]:
    return ["fp32", "bf16"] if torch.cpu._is_avx512_bf16_supported() else ["fp32"]


def solve(
    subject: invert.Subject,
    objective: invert.Objective,
    prior: Any,
    seeds: tuple[int, ...],
    steps: int,
    precision: str = "fp32",
    until: float | None = None,
    patience: int | None = None,
) -> dict[str, Any]:
    problem = pose(subject, objective, prior)
    optimisation = problem.optimisation(seeds, steps, until=until, patience=patience, precision=precision)
    *_, stopped = optimisation
    return {
        "picture": digest(stopped.best),
        "last": digest(stopped.last),
        "loss": digest(stopped.loss),
        "penalty": digest(stopped.penalty),
        "steps": list(stopped.steps),
        "reasons": list(stopped.reasons),
    }


def pose(subject: invert.Subject, objective: invert.Objective, prior: Any) -> Any:
    """The problem of a run, wherever the code keeps it: this script also runs with older code."""
    for module in ("invert.engine.problem", "invert.api", "invert.run"):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        if module == "invert.engine.problem" and isinstance(prior, str):
            prior = invert.prior(prior)
        if hasattr(found, "Problem"):
            return found.Problem.pose(subject, objective, prior)
    raise SystemExit("this invert has no Problem")


def digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.detach().cpu().float().contiguous().numpy().tobytes()).hexdigest()[:12]


def made_with() -> str:
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"


if __name__ == "__main__":
    sys.exit(main())
