"""Where networks come from: a line a source, a module each."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from invert.errors import RequestError, unknown
from invert.foreign import model_file
from invert.subjects.sources import from_file
from invert.subjects.sources.network import Given, Network

SOURCES = {
    "bundled": "invert.subjects.sources.alexnet_mini",
    "torchvision": "invert.subjects.sources.from_torchvision",
    "timm": "invert.subjects.sources.from_timm",
}
"""MODEL is PREFIX:NAME. The modules are imported when they are asked: some take seconds."""

BARE = ("bundled", "torchvision")
"""Those whose networks also go by their bare names."""


class Source(Protocol):
    """What the module of a source has."""

    def names(self) -> list[str]:
        """The networks it has, as far as they can be listed."""

    def find(self, name: str, given: Given) -> Network:
        """The network of that name. Raises `RequestError`, with near names, for one that is not there."""


def find(model: str, given: Given) -> Network:
    """The network that MODEL names. Raises `RequestError` for one that is not there."""
    prefix, colon, name = model.partition(":")
    if colon and prefix in SOURCES:
        return _source(prefix).find(name, given)
    if own := model_file(model):
        return from_file.find(*own, given)
    for bare in BARE:
        if model in _source(bare).names():
            return _source(bare).find(model, given)
    raise _unknown(model)


def names() -> list[str]:
    """What MODEL can be, but for files."""
    return [
        name if prefix in BARE else f"{prefix}:{name}"
        for prefix in SOURCES
        for name in _source(prefix).names()
    ]


def _source(prefix: str) -> Source:
    return cast(Source, importlib.import_module(SOURCES[prefix]))


def _unknown(model: str) -> RequestError:
    for prefix in SOURCES:
        if model in _source(prefix).names():
            return RequestError(
                f"unknown model {model!r}: {' and '.join(BARE)} have none of that name; "
                f"did you mean {prefix}:{model}?"
            )
    bare = [name for prefix in BARE for name in _source(prefix).names()]
    others = ", ".join(f"{prefix}:NAME" for prefix in SOURCES if prefix not in BARE)
    hint = f"or {others}, or path/to/file.py:factory; `invert models` lists them"
    return unknown("model", model, bare, hint)
