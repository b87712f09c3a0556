"""What training changed in what a layer keeps, from one checkpoint to another:
python two_checkpoints.py --before random --after mine.safetensors

`invert compare` makes a report of such a comparison; this is the same in a few lines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import invert
from invert.measures import RowEvidence, measure_row
from invert.photos import default_photo

SHOWN = ("kept.luminance", "kept.colour", "free.luminance", "invented.luminance", "edges_kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet-mini")
    parser.add_argument("--before", default="random", help='a file of weights, or "random"')
    parser.add_argument("--after", help="a file of weights (default: the published ones)")
    parser.add_argument("--layer", default="relu3")
    parser.add_argument("--photo", type=Path, nargs="+", default=[default_photo()])
    parser.add_argument("--seeds", type=int, default=3, help="at least 2: kept is what seeds agree on")
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()

    rows = []
    for weights in (options.before, options.after):
        subject = invert.load(options.model, weights)
        rows.append(kept(subject, options.layer, options.photo, options.seeds, options.steps))
    before, after = rows
    print(f"{options.layer:20} before   after  change")
    for name in SHOWN:
        was, now = before[name], after[name]
        if was is not None and now is not None:
            print(f"{name:20} {was:6.3f}  {now:6.3f}  {now - was:+6.3f}")


def kept(
    subject: invert.Subject, layer: str, photos: list[Path], seeds: int, steps: int
) -> dict[str, float | None]:
    """The measures of a row: each photo inverted from every seed."""
    inversions = [
        torch.cat([_inversion(subject, layer, photo, seed, steps) for seed in range(seeds)])
        for photo in photos
    ]
    originals = torch.cat([subject.image(photo) for photo in photos])
    row = RowEvidence(subject, layer, originals, torch.stack(inversions), subject.layer(layer).share)
    return measure_row(row)[0]


def _inversion(subject: invert.Subject, layer: str, photo: Path, seed: int, steps: int) -> torch.Tensor:
    return invert.run(subject, invert.FeatureMatch(layer, photo), "dip", seed=seed, steps=steps).image


if __name__ == "__main__":
    main()
