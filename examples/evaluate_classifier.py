"""Measure alexnet-mini on a folder of class folders.

    python examples/evaluate_classifier.py VAL_DIR [--weights FILE]

Each photo is seen once, its middle square at 128 px, in float32. A folder's name is its
class, compared without regard to case, with ``_`` for a space. Prints the share of photos
whose highest output is their class (top-1), over all photos and for each class, the number
of photos, and the sha256 of the file the weights came from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from importlib.resources import files
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from train_classifier import Photos, batches, normalise, read_photos

from invert.subjects.sources import alexnet_mini as subject


def main() -> None:
    arguments = parse_arguments()
    content = read_weights(arguments.weights)
    classes = class_names(arguments.weights)
    photos = read_photos(arguments.photos)
    labels = labels_among(classes, photos)
    right = predictions(load_network(content, len(classes)), photos) == labels
    for label in sorted(set(labels.tolist())):
        print_share(classes[label], right[labels == label])
    print_share("top-1", right)
    print(f"weights sha256 {hashlib.sha256(content).hexdigest()}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure alexnet-mini on a folder of class folders.")
    parser.add_argument("photos", type=Path, help="folder of class folders")
    parser.add_argument("--weights", type=Path, help="safetensors file (default: the bundled one)")
    return parser.parse_args()


def read_weights(path: Path | None) -> bytes:
    if path is not None:
        return path.read_bytes()
    return files("invert.subjects.sources").joinpath(subject.WEIGHTS).read_bytes()


def class_names(path: Path | None) -> tuple[str, ...]:
    """The classes that ``train_classifier.py`` wrote into a file; the bundled ones without it."""
    if path is None:
        return subject.CLASSES
    with safetensors.safe_open(path, framework="pt") as stored:
        metadata = stored.metadata() or {}
    if "training" not in metadata:
        return subject.CLASSES
    return tuple(json.loads(metadata["training"])["classes"])


def labels_among(classes: tuple[str, ...], photos: Photos) -> Tensor:
    """The label of each photo as an index into ``classes``, which may hold more than the folders."""
    index = {key(name): label for label, name in enumerate(classes)}
    unknown = [name for name in photos.classes if key(name) not in index]
    if unknown:
        raise SystemExit(f"not a class of this network: {', '.join(unknown)} (it knows {', '.join(classes)})")
    return torch.tensor([index[key(name)] for name in photos.classes])[photos.labels]


def key(name: str) -> str:
    return name.lower().replace(" ", "_")


def load_network(content: bytes, classes: int) -> nn.Sequential:
    network = subject.alexnet_mini(classes)
    stored = safetensors.torch.load(content)
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    return network.eval()


@torch.inference_mode()
def predictions(network: nn.Sequential, photos: Photos) -> Tensor:
    """The index of the highest output for each photo, int64 ``(N,)``."""
    order = torch.arange(len(photos.labels))
    return torch.cat(
        [network(normalise(images)).argmax(1) for images, _ in batches(photos, 128, order.device, order)]
    )


def print_share(name: str, right: Tensor) -> None:
    count, total = int(right.sum()), len(right)
    print(f"{name:<20}{count / total:7.2%}  {count} of {total}")


if __name__ == "__main__":
    main()
