"""timm's networks, with the data config that travels with their weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import timm
from timm.data.config import resolve_data_config
from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset
from torch import nn

from invert.errors import RequestError, unknown
from invert.subjects.sources import online, weights
from invert.subjects.sources.network import Given, Network, State
from invert.subjects.sources.preprocessing import Preprocessing

_resolved: Callable[..., dict[str, Any]] = resolve_data_config


def names() -> list[str]:
    return list(timm.list_models())


def find(name: str, given: Given) -> Network:
    """The network of that name, such as `resnet18` or `resnet18.a1_in1k`.

    Raises `RequestError`, with near names, for one that is not there.
    """
    size = given.sides
    if not timm.is_model(name) or ("." in name and name not in timm.list_pretrained()):
        raise unknown(
            "timm model", name, timm.list_models() + (timm.list_pretrained() if "." in name else [])
        )
    published_config: Any = timm.get_pretrained_cfg(name)
    config: dict[str, Any] = published_config.to_dict() if published_config else {}
    data = _resolved({}, pretrained_cfg=config)
    channels, height, width = data["input_size"]
    sized: dict[str, Any] = {}
    if size and size != (height, width):
        height, width = size
        if config.get("fixed_input_size"):
            sized = {"img_size": size}

    def build(classes: int | None) -> nn.Module:
        return _create(
            name, pretrained=False, **sized, **({} if classes is None else {"num_classes": classes})
        )

    def published() -> nn.Module:
        if not config.get("hf_hub_id") and not config.get("url"):
            raise RequestError(
                f"timm:{name} has no published weights: give --weights FILE or --weights random"
            )
        cached = _cached(config)
        if cached is not None:
            with suppress(Exception):  # in a format of its own, perhaps: timm gets it from the server
                return adapt(weights.read(cached), None)
        online.require_answer(lambda: _ask(config), f"timm:{name}")
        try:
            with online.giving_up_when_stalled():
                return _create(name, pretrained=True, **sized)
        except Exception as error:  # the hub's client has a dozen ways to say that it got nothing
            raise online.unavailable(f"timm:{name}", error) from error

    def adapt(state: State, classes: int | None) -> nn.Module:
        # timm's own path for its checkpoints: its filters rename, and resample position embeddings.
        overlay = {"state_dict": state, "source": None, "custom_load": False}
        counted = {} if classes is None else {"num_classes": classes}
        return _create(
            name, pretrained=True, pretrained_cfg_overlay={**overlay, **counted}, **sized, **counted
        )

    return Network(
        build=build,
        published=published,
        adapt=adapt,
        source=f"published: {config.get('tag') or name}",
        classes=_class_names(config),
        preprocessing=Preprocessing(
            input_shape=(channels, height, width),
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
            crop=min(1.0, data["crop_pct"]),
            interpolation=data["interpolation"]
            if data["interpolation"] in ("bilinear", "bicubic")
            else "bilinear",
        ),
    )


def _create(name: str, **settings: Any) -> nn.Module:
    model: nn.Module = timm.create_model(name, **settings)
    return model


def _cached(config: dict[str, Any]) -> str | None:
    """The file of weights that was downloaded before, so that no server is asked."""
    from huggingface_hub import try_to_load_from_cache

    if not config.get("hf_hub_id") or config.get("hf_hub_filename"):
        return None
    found = try_to_load_from_cache(config["hf_hub_id"], "model.safetensors")
    return found if isinstance(found, str) else None


def _ask(config: dict[str, Any]) -> None:
    """Ask the weights' server for an answer; raises where there is none."""
    if not config.get("hf_hub_id"):
        return online.answers(config["url"])
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    try:
        get_hf_file_metadata(
            hf_hub_url(config["hf_hub_id"], "model.safetensors"), timeout=online.DEADLINE / 2
        )
    except HfHubHTTPError as error:
        if error.response is None:
            raise
    return None


def _class_names(config: dict[str, Any]) -> tuple[str, ...] | None:
    """ImageNet's names, each by its first word sense unless two classes share that."""
    subset = infer_imagenet_subset(config)
    if subset is None:
        return None
    full = ImageNetInfo(subset).label_descriptions()
    short = [re.split(r",\s*", text)[0] for text in full]
    count = Counter(short)
    return tuple(s if count[s] == 1 else f for s, f in zip(short, full, strict=True))
