"""Measure the mean amplitude spectrum of a folder of photos, as `invert_priors/photo_spectrum.json` holds it.

python examples/photo_spectrum.py ../shared/photos/train > priors/invert_priors/photo_spectrum.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from invert import images, photos
from invert_priors.generator import NATURAL_COLOURS

SIDE = 128
CYCLES = (0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64)
"""Cycles a picture, down and across, at which the spectrum is kept."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    paths, _ = photos.expand(options.folder)
    decorrelate = torch.linalg.inv(torch.tensor(NATURAL_COLOURS))
    total = torch.zeros(3, SIDE, SIDE // 2 + 1, dtype=torch.float64)
    for path in paths:
        photo = images.to_tensor(path, (3, SIDE, SIDE))[0].clamp(1 / 510, 1 - 1 / 510)
        channels = torch.einsum("ij,jyx->iyx", decorrelate, photo.logit())
        channels = channels - channels.mean((1, 2), keepdim=True)
        total += torch.fft.rfft2(channels, norm="ortho").abs()
    mean = total / len(paths)
    mirrored = (mean + mean[:, -torch.arange(SIDE) % SIDE]) / 2  # up as down: a photo may as well be flipped
    kept = torch.tensor(CYCLES)
    rows = mirrored[:, kept][:, :, kept]
    spectrum = [[[float(f"{value:.4g}") for value in row] for row in plane] for plane in rows.tolist()]
    print(json.dumps({"side": SIDE, "cycles": CYCLES, "magnitude": spectrum}))


if __name__ == "__main__":
    main()
