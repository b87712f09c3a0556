"""Measure the mean photo of a folder of pictures, as `invert/measures/mean_photo.json` holds it.

python examples/mean_photo.py ../shared/photos/train > invert/measures/mean_photo.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from invert import images, photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--grid", type=int, default=8)
    options = parser.parse_args()
    paths, _ = photos.expand(options.folder)
    shape = (3, options.grid, options.grid)
    total = torch.zeros(shape, dtype=torch.float64)
    for path in paths:
        total += images.to_tensor(path, shape)[0]
    rounded = [[[round(v, 4) for v in row] for row in plane] for plane in (total / len(paths)).tolist()]
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
