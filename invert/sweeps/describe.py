"""What is written down of the tool, of a network, and of what a network sees."""

from __future__ import annotations

import math
import platform
import sys
from importlib.metadata import version

from torch import Tensor

from invert.report import InputShape, ReportedSubject, TopClass
from invert.subjects import Subject


def top5(subject: Subject, image: Tensor) -> list[TopClass] | None:
    """The five most probable classes for an image `(1, C, H, W)`; None where the network says none."""
    if subject.classes is None:
        return None
    best = subject.top(image, 5)[0]
    if not all(math.isfinite(probability) for _, _, probability in best):
        return None
    return [TopClass(index=i, name=name, probability=p) for i, name, p in best]


def describe_subject(subject: Subject, model: str) -> ReportedSubject:
    """A network in `report.json`: its name, its weights and their digest, and the input it takes."""
    shape, mean, std = list(subject.input_shape), list(subject.mean), list(subject.std)
    return ReportedSubject(
        model=model,
        weights=subject.weights,
        sha256=subject.sha256,
        input=InputShape(shape=shape, mean=mean, std=std),
        classes=len(subject.classes) if subject.classes else None,
    )


def tool() -> dict[str, str]:
    """The versions that a result depends on."""
    packages = ("torch", "torchvision", "timm")
    return {
        "name": "invert",
        "version": version("invert"),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": f"{sys.platform}-{platform.machine()}",
    }
