"""A figure for a paper, layers across and priors down, as a vector file: python paper_figure.py --out f.pdf

`invert MODEL … --out DIR` and then `invert report DIR --figure f.pdf` draws one from any finished
run without a script; this one is yours to change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

import invert
from invert.photos import default_photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="alexnet-mini")
    parser.add_argument("--layers", nargs="+", default=["relu1", "relu3", "relu5", "fc6"])
    parser.add_argument("--priors", nargs="+", default=["none", "tv", "dip"])
    parser.add_argument("--photo", type=Path, default=default_photo())
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("paper_figure.pdf"))
    options = parser.parse_args()

    subject = invert.load(options.model)
    columns, rows = len(options.layers) + 1, len(options.priors)
    figure = Figure(figsize=(1.2 * columns, 1.35 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, prior in enumerate(options.priors):
        show(axes[row, 0], subject.image(options.photo), "photo")
        axes[row, 0].set_ylabel(prior)
        for column, layer in enumerate(options.layers, start=1):
            objective = invert.FeatureMatch(layer, options.photo)
            result = invert.run(subject, objective, prior, steps=options.steps)
            show(axes[row, column], result.image, f"{layer}  {result.feature_error:.2g}")
    figure.savefig(options.out)
    print(f"{options.out}: the number beside a layer is its feature error")


def show(ax: Axes, image: Tensor, title: str) -> None:
    """One image `(1, C, H, W)` in [0, 1] with its title."""
    ax.imshow(image[0].movedim(0, -1).numpy(), interpolation="nearest")
    ax.set_title(title, fontsize=7)
    ax.set_xticks([])
    ax.set_yticks([])


if __name__ == "__main__":
    main()
