"""Whether `invert compare` cries wolf, and whether it sees one: the study behind docs/compare.md.

    python benchmarks/compare_noise.py ../shared/photos/val OUT

Small runs of alexnet-mini (first photo of each of some classes, four seeds, few steps, the priors tv
and a small dip), compared by the command itself:

1. the network with itself under other seeds, 20 pairs: how often --fail-if fails, and how often
   anything is marked as beyond noise;
2. with itself where noise of a tenth of their standard deviation lies on the weights of one layer, under the
   same seeds and under others: where the first change is found;
3. with 80 % of its weights pruned away: what the first line says.

About half an hour on one core; run again with the same OUT it goes on where it was left off.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from invert.cli import main
from invert.report import read_report
from invert.subjects.sources.alexnet_mini import bundled_state
from invert.sweeps.compare import Interval, compare
from invert.sweeps.request import Request
from invert.sweeps.sides import Side
from invert.sweeps.sweep import CellFinished, Sweep

LAYERS = ("relu2", "conv3", "fc6")
NOISED = "conv3"
BEFORE = ("relu2",)
PRIORS = ("tv", "dip")
DIP = {
    "channels": "8,8,8",
    "skip_channels": "2,2,2",
    "kernels_down": "3,3,3",
    "kernels_up": "3,3,3",
    "input_channels": "8",
}
ALL = ("kept.luminance", "kept.colour", "kept.cycles.4-8", "psnr", "ssim")
"""Named together in one call, each a loss below 0: the strictest bound there is."""

Json = dict[str, Any]


def study(photos: Path, out: Path, pairs: int, classes: int, seeds: int, steps: int) -> Json:
    """All three parts; the numbers, as JSON."""
    weights = make_weights(out / "weights")
    images = [str(min(f.iterdir())) for f in sorted(photos.iterdir()) if f.is_dir()][:classes]

    def run(name: str, seed: int, file: Path | None = None) -> Path:
        return invert(out / name, images, seeds, steps, seed, file)

    same = [
        compared(run(f"same-{2 * n}", 2 * n * seeds), run(f"same-{2 * n + 1}", (2 * n + 1) * seeds))
        for n in range(pairs)
    ]
    first = out / "same-0"
    noised = {
        "same seeds": compared(first, run("noised", 0, weights["noised"])),
        "other seeds": compared(first, run("noised-other-seeds", 3 * seeds, weights["noised"])),
    }
    pruned = compared(first, run("pruned", 0, weights["pruned"]))
    return {
        "pairs": pairs,
        "pairs failed by --fail-if": sum(any(judged["failed"] for judged in c["fail_if"]) for c in same),
        "pairs with anything marked": sum(any(r["beyond_noise"] for r in c["rows"]) for c in same),
        "numbers looked at": same[0]["verdict"]["looked_at"],
        "95 % intervals without 0": without_zero(kept_intervals(same)),
        "by bootstrap percentiles": without_zero(bootstrapped(out, pairs)),
        "noise floors, points": {
            "median": median_floor(same, 0.5),
            "largest tenth from": median_floor(same, 0.9),
        },
        "noised": {how: found(comparison) for how, comparison in noised.items()},
        "noised: --fail-if code_change > 0": {
            how: {judged["threshold"]: judged["failed"] for judged in c["fail_if"][len(ALL) :]}
            for how, c in {**noised, "no noise, other seeds": same[0]}.items()
        },
        "noised: verdict": noised["other seeds"]["verdict"]["lines"],
        "pruned: verdict": pruned["verdict"]["lines"],
        "pruned: cautions": pruned["verdict"]["cautions"],
    }


def make_weights(folder: Path) -> dict[str, Path]:
    """The bundled weights with noise on one layer, and with the smallest 80 % of each layer pruned."""
    folder.mkdir(parents=True, exist_ok=True)
    state = bundled_state()
    weight = state[f"{NOISED}.weight"]
    draws = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    noised = {**state, f"{NOISED}.weight": weight + 0.1 * weight.std() * draws}
    pruned = {name: prune(values) if values.dim() > 1 else values for name, values in state.items()}
    files = {name: folder / f"{name}.safetensors" for name in ("noised", "pruned")}
    save_file(noised, files["noised"])
    save_file(pruned, files["pruned"])
    return files


def prune(weight: Tensor) -> Tensor:
    least = weight.abs().flatten().kthvalue(int(0.8 * weight.numel())).values
    return weight.where(weight.abs() > least, 0.0)


def invert(out: Path, images: list[str], seeds: int, steps: int, seed: int, weights: Path | None) -> Path:
    """One run of the tool, without its page, resumed where it was left off."""
    request = Request(
        model="alexnet-mini",
        weights=None if weights is None else str(weights),
        layer=LAYERS,
        prior=PRIORS,
        settings={"dip": DIP},
        image=tuple(images),
        seeds=tuple(range(seed, seed + seeds)),
        steps=steps,
        device="cpu",
    )
    sweep = Sweep(request)
    for event in sweep.run(out, resume=True):
        if isinstance(event, CellFinished):
            print(f"\r{out.name}: {event.cell.id:60}", end="", file=sys.stderr, flush=True)
    if sweep.summary.content.status != "done":
        raise SystemExit(f"{out} is not done; the same command goes on")
    return out


def compared(a: Path, b: Path) -> Json:
    """The command's own comparison of two folders, and the status with which `--fail-if` let it end."""
    words = ["compare", str(a), str(b), "--json"]
    words += [word for measure in ALL for word in ("--fail-if", f"{measure} < 0")]
    words += [word for layer in LAYERS for word in ("--fail-if", f"layer {layer} code_change > 0")]
    with contextlib.redirect_stdout(io.StringIO()) as written, contextlib.redirect_stderr(io.StringIO()):
        status = main(words)
    comparison: Json = json.loads(written.getvalue())
    return comparison | {"status": status}


def kept_intervals(comparisons: list[Json]) -> list[Interval]:
    return [
        (interval[0], interval[1])
        for comparison in comparisons
        for row in comparison["rows"]
        for name, interval in row["interval"].items()
        if name.startswith("kept.") and interval is not None
    ]


def bootstrapped(out: Path, pairs: int) -> list[Interval]:
    """The same intervals as percentiles of a bootstrap: each photo's inversions drawn anew from its own.

    What an inversion adds to a number is as the jackknife tells it: drawn twice into a decomposition
    it would agree with itself, and raise what is kept.
    """
    generator = torch.Generator().manual_seed(0)
    intervals = []
    for n in range(pairs):
        sides = [
            Side(folder, read_report(folder)) for folder in (out / f"same-{2 * n}", out / f"same-{2 * n + 1}")
        ]
        comparison = compare(*sides)
        for row in comparison.rows:
            parts = [
                side.parts(of_side, [photo[s] for photo in comparison.photos])
                for s, (side, of_side) in enumerate(zip(sides, (row.a, row.b), strict=True))
            ]
            for name, change in row.changes.items():
                if name.startswith("kept.") and change.noise is not None and change.change is not None:
                    a, b = (drawn_again(part[name].seeds, generator) for part in parts)
                    low, high = torch.quantile(change.change + b - a, torch.tensor([0.025, 0.975]).double())
                    intervals.append((float(low), float(high)))
    return intervals


def drawn_again(parts: Tensor, generator: torch.Generator, times: int = 2_000) -> Tensor:
    """How far a number moves, `(times,)`, to which the inversions `(P, K)` add `parts`."""
    photos, seeds = parts.shape
    drawn = torch.randint(seeds, (times, photos, seeds), generator=generator)
    return parts.double().expand(times, -1, -1).gather(2, drawn).mean(2).sum(1)


def without_zero(intervals: list[Interval]) -> str:
    """How many of the 95 % intervals do not hold 0: one in twenty, where nothing changed."""
    missed = sum(not low <= 0 <= high for low, high in intervals)
    return f"{missed} of {len(intervals)} ({100 * missed / len(intervals):.1f} %)"


def median_floor(comparisons: list[Json], share: float) -> float:
    floors = sorted(
        floor
        for comparison in comparisons
        for row in comparison["rows"]
        for name, floor in row["floor"].items()
        if name.startswith("kept.") and floor is not None
    )
    return round(100 * floors[int(share * (len(floors) - 1))], 1)


def found(comparison: Json) -> Json:
    """Where a change was found, by the codes of the photos and by what comes back beyond noise."""
    verdict = comparison["verdict"]
    return {
        how: {
            "at": verdict[how],
            "missed": [name for name in LAYERS if name not in (*BEFORE, *verdict[how])],
            "wrongly before": [name for name in BEFORE if name in verdict[how]],
        }
        for how in ("layers_changed", "kept_changed")
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="a folder of class folders")
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    numbers = study(options.photos, options.out, options.pairs, options.classes, options.seeds, options.steps)
    print(json.dumps(numbers, indent=1, ensure_ascii=False))
