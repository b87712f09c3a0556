"""`invert layers`, `invert models`, `invert priors`: what there is."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from invert import registry
from invert.cli.arguments import add_options, parser
from invert.cli.study import Output
from invert.cli.terminal import say, show_table
from invert.foreign import foreign
from invert.sweeps.options import read
from invert.sweeps.request import Request

if TYPE_CHECKING:
    from invert.protocols import Prior

# torch, which takes seconds, is imported once a command knows what is asked of it.

NETWORK = ("model", "weights", "labels", "size", "mean", "std")


def layers(words: list[str]) -> int:
    """The layers of a network, in the order in which an image meets them."""
    p = parser("layers", "Names, aliases and shapes of a network's layers, shallow to deep.")
    add_options(p, Request, NETWORK)
    add_options(p, Output, ("json",))
    said = vars(p.parse_args(words))
    asked, output = read(Request, said), read(Output, said)
    from invert.subjects import load

    # Shapes do not depend on the weights: none are downloaded to list layers.
    weights = asked.weights or ("random" if asked.model != "alexnet-mini" else None)
    more = {name: getattr(asked, name) for name in NETWORK[2:]}
    with foreign():
        subject = load(asked.model, weights, **more)
        main = set(subject.main_layers)
    if output.json:
        rows = [
            {
                "name": layer.name,
                "aliases": list(layer.aliases),
                "type": layer.kind,
                "shape": list(layer.shape),
                "share": layer.share,
                "main": layer.name in main or bool(main & set(layer.aliases)),
            }
            for layer in subject.layers
        ]
        print(json.dumps(rows, indent=1))
        return 0
    show_table(
        ("layer", "also", "type", "shape", "share of the input's numbers"),
        (
            (
                f"{layer.name}{' *' if layer.name in main or main & set(layer.aliases) else ''}",
                ", ".join(layer.aliases),
                layer.kind,
                " × ".join(map(str, layer.shape)),
                f"{layer.share:.1%}",
            )
            for layer in subject.layers
        ),
    )
    c, h, w = subject.input_shape
    print(f"* in --layer all.  The input is {c} × {h} × {w}.")
    print("share: numbers in the layer for each number of the input; at 400 % it has four times as many.")
    return 0


def models(words: list[str]) -> int:
    """The names that MODEL can take."""
    p = parser("models", "The networks that can be named, torchvision's and timm's among them.")
    p.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="part of the name")
    options = p.parse_args(words)
    from invert.subjects.sources.table import names

    found = [name for name in names() if options.pattern.lower() in name.lower()]
    for line in found or [f"no model's name contains {options.pattern!r}"]:
        say(line)
    return 0


def priors(words: list[str]) -> int:
    """The priors and their settings."""
    parser("priors", "The priors, their settings and defaults, and their presets.").parse_args(words)
    for name, cls in registry.working("invert.priors").items():
        summary = (cls.__doc__ or "").strip().partition("\n")[0]
        rows = [(f"{name}.{setting}", _text(default)) for setting, default in _defaults(cls).items()]
        show_table(("setting", "default"), rows, title=f"{name}: {summary}")
        for preset, settings in cls.presets.items():
            said = "; ".join(f"{setting} {_text(value)}" for setting, value in settings.items())
            say(f"{name}.preset={preset}: {said}")
        print()
    for plugin in registry.broken("invert.priors"):
        say(f"broken: {plugin.reason}")
    print("Change one with --set NAME.SETTING=VALUE, a group with --set NAME.preset=NAME.")
    return 0


def _defaults(cls: type[Prior]) -> dict[str, Any]:
    defaults = {f.name: f.default for f in fields(cls)}
    return {name: "" if value is MISSING else value for name, value in defaults.items()}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
