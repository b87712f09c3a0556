"""What one layer of your own network keeps of your photo: python own_network.py --photo cat.jpg"""

from __future__ import annotations

import argparse
from pathlib import Path

from torch import nn

import invert
from invert.images import save_png
from invert.photos import default_photo
from invert.subjects.sources.alexnet_mini import MEAN, SIZE, STD, trained_alexnet_mini


def my_network() -> nn.Module:
    """Put your own network here, with its weights. Anything that maps (B, C, H, W) will do."""
    return trained_alexnet_mini()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=default_photo())
    parser.add_argument("--layer", default="conv3", help="its path in named_modules()")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("own_network.png"))
    options = parser.parse_args()

    # The network expects (image - mean) / std, for images in [0, 1].
    subject = invert.wrap(my_network(), size=SIZE, mean=MEAN, std=STD)
    print("layers:", ", ".join(layer.name for layer in subject.layers))

    objective = invert.FeatureMatch(options.layer, options.photo)
    result = invert.run(subject, objective, prior="dip", steps=options.steps)
    save_png(result.image, options.out)
    print(f"{options.out}: feature error {result.feature_error:.3f} after {result.steps} steps")


if __name__ == "__main__":
    main()
