"""Sides of a comparison, made without a network: pictures that show so much of their photos, measured."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image, to_tensor

from invert.cli import main
from invert.files import digest
from invert.measures import RowEvidence, describe, measure_row
from invert.report import (
    InputShape,
    LayerRow,
    Record,
    RecordFiles,
    Report,
    ReportedMeasure,
    ReportedPhoto,
    ReportedSubject,
    TopClass,
)
from invert.sweeps.compare import Comparison
from invert.sweeps.sides import Side
from invert.sweeps.verdict import verdict

SIZE = 32


def smooth(seed: int, size: int = SIZE) -> Tensor:
    """A picture `(3, size, size)` about mid-grey, strongest at low frequencies, as photos are."""
    generator = torch.Generator().manual_seed(seed)
    cycles = torch.fft.fftfreq(size) * size
    radius = torch.hypot(cycles[:, None], cycles[None, :]).clamp_min(1)
    white = torch.randn(3, size, size, generator=generator)
    return 0.25 * torch.fft.ifft2(torch.fft.fft2(white) / radius).real


def photo(seed: int, size: int = SIZE) -> Image.Image:
    return to_pil_image((0.5 + smooth(seed, size)).clamp(0, 1))


def side(
    folder: Path,
    *,
    gain: float = 0.9,
    layer: str = "fc6",
    photos: int = 2,
    seeds: int = 4,
    first_seed: int = 0,
) -> Side:
    """A run of one layer: inversions that show `gain` of each photo, and something of each seed's own."""
    originals, inversions, runs = [], [], []
    images = []
    for p in range(photos):
        pixels = to_tensor(photo(p))
        name = f"images/photo-{p}.png"
        _save(pixels, folder / name)
        originals.append(pixels)
        top = [TopClass(index=0, name="planetarium", probability=0.9)]
        images.append(
            ReportedPhoto(id=f"photo-{p}", name=f"photo-{p}.jpg", sha256=digest(pixels), file=name, top5=top)
        )
        for seed in range(first_seed, first_seed + seeds):
            own = 0.5 * smooth(1000 * (p + 1) + seed)
            inversion = (0.5 + gain * (pixels - 0.5) + own).clamp(0, 1)
            file = f"runs/{p}-{seed}/image.png"
            inversions.append(_save(inversion, folder / file))
            runs.append(
                Record(
                    id=f"{p}-{seed}", objective="feature", layer=layer, prior="tv",
                    image=f"photo-{p}", seed=seed,
                    settings={"weight": 1.0}, feature_error=0.01, measures={"feature_error": 0.01},
                    files=RecordFiles(image=file),
                )
            )  # fmt: skip
    pictures = torch.stack(inversions).reshape(photos, seeds, 3, SIZE, SIZE)
    evidence = RowEvidence(None, layer, torch.stack(originals), pictures, 1.0)
    row = LayerRow(
        layer=layer, prior="tv", photos=photos, seeds=seeds, runs=[run.id for run in runs], share=1.0,
        measures={"feature_error": 0.01, **measure_row(evidence)[0]},
    )  # fmt: skip
    report = Report(
        status="done", command="invert net", images=images, runs=runs, layers=[row],
        request={"steps": 20, "seeds": list(range(first_seed, first_seed + seeds))},
        subject=ReportedSubject(model="net", sha256="0" * 64, input=InputShape(shape=[3, SIZE, SIZE])),
        measures={name: ReportedMeasure(**known) for name, known in describe().items()},
    )  # fmt: skip
    return Side(folder, report)


def lines(comparison: Comparison) -> str:
    """The verdict and its cautions as one text."""
    found = verdict(comparison)
    return "\n".join([*found.lines, *found.cautions])


def run(network: str, out: Path, *more: str) -> None:
    """A small run of two layers from three seeds."""
    words = [network, "--layer", "conv,fc", "--prior", "none", "--steps", "20", "--seeds", "3", "--quiet"]
    assert main([*words, *more, "--precision", "fp32", "--out", str(out)]) == 0


def _save(pixels: Tensor, file: Path) -> Tensor:
    """The picture as a PNG holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    to_pil_image(pixels).save(file)
    with Image.open(file) as picture:
        read: Tensor = to_tensor(picture)
    return read
