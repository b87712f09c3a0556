"""torchvision's classifiers, with the preprocessing and class names of their published weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models

from invert.errors import RequestError, unknown
from invert.subjects.sources import online
from invert.subjects.sources.network import Given, Network
from invert.subjects.sources.preprocessing import Preprocessing

AS_PUBLISHED = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}
"""What the builders of these switch on only when they load the published weights themselves."""


def names() -> list[str]:
    return list(models.list_models(module=models))


def find(name: str, given: Given) -> Network:
    """The network of that name. Raises `RequestError`, with near names, for one that is not there."""
    if name not in names():
        raise unknown("torchvision model", name, names())
    size = given.sides
    weights = models.get_model_weights(name).DEFAULT
    transform = weights.transforms()
    height, width = size or (transform.crop_size[0], transform.crop_size[0])
    sized: dict[str, Any] = {}
    if size and name.startswith("vit_"):  # the one family whose size is fixed when it is built
        if height != width:
            raise RequestError(f"{name} takes square images, not {height} × {width}")
        sized = {"image_size": height}

    def build(classes: int | None) -> nn.Module:
        counted = {} if classes is None else {"num_classes": classes}
        return _quietly(name, weights=None, **sized, **counted, **AS_PUBLISHED.get(name, {}))

    def published() -> nn.Module:
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        if not cached.exists():
            online.require_answer(lambda: online.answers(weights.url), name)
        try:
            with online.giving_up_when_stalled():
                return _quietly(name, weights=weights, progress=True, **sized)
        except ValueError as error:
            raise RequestError(f"{name} with its published weights: {error}") from None
        except Exception as error:  # no connection, a file that is cut short, a hash that differs
            raise online.unavailable(name, error) from error

    return Network(
        build=build,
        published=published,
        source=f"published: {weights.name}",
        classes=tuple(weights.meta["categories"]),
        preprocessing=Preprocessing(
            input_shape=(3, height, width),
            mean=tuple(transform.mean),
            std=tuple(transform.std),
            crop=min(1.0, transform.crop_size[0] / transform.resize_size[0]),
            interpolation=transform.interpolation.value,
        ),
    )


def _quietly(name: str, **settings: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # on how weights are initialised: they are replaced, or meant to be random
        model: nn.Module = models.get_model(name, **settings)
    return model
