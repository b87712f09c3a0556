"""Does a picture of a class convince another network? Ranks an independent judge gives, prior by prior.

    python benchmarks/transfer.py squeezenet1_1 --weights squeezenet1_1.safetensors --judge alexnet-mini

Draws every class that both networks name, under each prior with its defaults, and prints the
judge's rank of the class (0: its top one) with the network's own probability in brackets; then
the median rank and how many were the judge's top one. `--out DIR` keeps the pictures. Ten classes
at 224 px take about 20 minutes a prior on two CPU cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import invert
from invert.images import save_png
from invert.settings import parse_assignments
from invert.subjects.matching import match


def main() -> None:
    options = arguments()
    subject = invert.load(options.model, weights=options.weights).to(options.device)
    judge = invert.load(options.judge, weights=options.judge_weights).to(options.device)
    classes = options.classes.split(",") if options.classes else common_classes(subject, judge)
    priors = options.prior.split(",")
    settings = parse_assignments(options.assignments)
    among = len(judge.classes or ())
    print(f"{options.model} draws, {options.judge} ({judge.weights}) judges: rank among {among}")
    width = max(map(len, classes)) + 2
    print("class".ljust(width) + "".join(f"{prior:>16}" for prior in priors), flush=True)
    ranks: dict[str, list[float]] = {prior: [] for prior in priors}
    for name in classes:
        for seed in range(options.seed, options.seed + options.seeds):
            print(name.ljust(width), end="")
            for prior in priors:
                result = invert.run(
                    subject,
                    invert.ClassLogOdds(name),
                    invert.prior(prior, **settings.get(prior, {})),
                    steps=options.steps,
                    seed=seed,
                    views=options.views,
                    judge=judge,
                )
                rank, own = result.measures["judge_rank"], result.measures["target_probability"]
                ranks[prior].append(float("inf") if rank is None else rank)
                print(f"{ranks[prior][-1]:>9.0f} ({own:.2f})", end="", flush=True)
                if options.out:
                    options.out.mkdir(parents=True, exist_ok=True)
                    save_png(result.image, options.out / f"{name.replace(' ', '-')}-{prior}-s{seed}.png")
            print(flush=True)
    print("median rank".ljust(width) + "".join(f"{median(ranks[p]):>9.1f}       " for p in priors))
    tops = (f"{sum(r == 0 for r in ranks[p])} of {len(ranks[p])}" for p in priors)
    print("judge's top 1".ljust(width) + "".join(f"{top:>9}       " for top in tops))


def common_classes(subject: invert.Subject, judge: invert.Subject) -> list[str]:
    """The subject's names of the classes that the judge has too, in the subject's order."""
    names, others = subject.classes or (), judge.classes or ()
    return [name for i, name in enumerate(names) if match(name, i, names, others) is not None]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--weights")
    parser.add_argument("--judge", default="alexnet-mini")
    parser.add_argument("--judge-weights")
    parser.add_argument("--prior", default="dip,tv,none")
    parser.add_argument("--classes", help="names between commas (default: all that both networks have)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--views", type=int)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="PRIOR.NAME=VALUE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="where to keep the pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
