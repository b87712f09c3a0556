"""A layer inverted under DIP and TV to the same feature error, side by side: python compare_priors.py

Two inversions compare only at a matched error: the prior that got further always looks better.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import invert
from invert.images import save_png
from invert.photos import default_photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet-mini")
    parser.add_argument("--layer", default="conv4")
    parser.add_argument("--photo", type=Path, default=default_photo())
    parser.add_argument("--until", type=float, default=0.1, help="the feature error to stop at")
    parser.add_argument("--steps", type=int, default=2000, help="at most so many")
    parser.add_argument("--out", type=Path, default=Path("compare_priors.png"))
    options = parser.parse_args()

    subject = invert.load(options.model)
    objective = invert.FeatureMatch(options.layer, options.photo)
    pictures = [subject.image(options.photo)]
    print("prior  feature error  steps  PSNR to the photo  stopped by")
    for prior in ("dip", "tv"):
        result = invert.run(subject, objective, prior, steps=options.steps, until=options.until)
        pictures.append(result.image)
        psnr = result.measures["psnr"]
        print(f"{prior:5}  {result.feature_error:13.3f}  {result.steps:5}  {psnr:14.1f} dB  {result.stopped}")
    save_png(torch.cat(pictures, dim=3), options.out)
    print(f"{options.out}: the photo, dip, tv")


if __name__ == "__main__":
    main()
