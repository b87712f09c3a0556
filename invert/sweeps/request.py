"""What the user asked for, as plain values: what `request.json` keeps and `--resume` compares."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from invert.errors import RequestError
from invert.settings import MOST_STEPS, parse_assignment
from invert.sweeps.options import (
    NAMES,
    NUMBERS,
    UNITS,
    UNTIL,
    Asked,
    Form,
    Option,
    Said,
    argument,
    check,
    option,
    whole,
    words,
)

SUBCOMMANDS = ("layers", "models", "priors", "doctor", "report", "compare", "restore", "completion")
"""Words that are no MODEL where they come first."""


def meant(first: str) -> str | None:
    """The subcommand that a first word is, or that it was perhaps meant to be."""
    near = difflib.get_close_matches(first, SUBCOMMANDS, n=1, cutoff=0.75) if first.isalpha() else []
    return near[0] if near else None


WHAT, PRIORS, NETWORK, WORK = "what to look for", "priors", "the network", "how to work"


def _read_seeds(text: str) -> int | tuple[int, ...]:
    if "," not in text:
        count: int = whole(1, 10_000).read(text)
        return count
    return tuple(dict.fromkeys(whole(0).read(word.strip()) for word in text.split(",") if word.strip()))


def _seeds(said: Said) -> tuple[int, ...]:
    seeds = said.get("seeds", 1)
    if isinstance(seeds, int):
        first = said.get("seed", 0)
        return tuple(range(first, first + seeds))
    if "seed" in said:
        raise RequestError("--seeds names the seeds: leave --seed out")
    return tuple(seeds)


def _said_of_seeds(seeds: tuple[int, ...]) -> Said:
    first, count = seeds[0], len(seeds)
    if tuple(seeds) != tuple(range(first, first + count)):
        return {"seeds": seeds}
    return {"seed": first, "seeds": count} if count > 1 else {"seed": first}


SEEDS = Asked(
    (
        Option("--seed", "the first seed (default: 0)", "N", whole(0)),
        Option(
            "--seeds", "how many seeds (default: 1), or which: 0,5,9", "K",
            Form(_read_seeds, lambda said: str(said) if isinstance(said, int) else ",".join(map(str, said))),
        ),
    ),
    WORK,
    value=_seeds,
    said=_said_of_seeds,
    always=True,
)  # fmt: skip


def _settings(said: Said) -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = {}
    for plugin, setting, value in said["set"]:
        settings.setdefault(plugin, {})[setting] = value
    return settings


SETTINGS = Asked(
    (
        Option(
            "--set",
            "of a prior (see `invert priors`), a stop, an objective or (restore) an operator",
            "NAME.SETTING=VALUE",
            Form(parse_assignment, lambda one: f"{one[0]}.{one[1]}={one[2]}"), repeated=True,
        ),
    ),
    PRIORS,
    value=_settings,
    said=lambda settings: {"set": [(name, *one) for name in settings for one in settings[name].items()]},
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of the command line, and the one place where its options are declared.

    Every field is JSON. Raises `RequestError` where one holds what no command line asks for.
    """

    model: str = argument("model", "the network under study", "MODEL")
    layer: tuple[str, ...] = option(
        "--layer",
        "layers to invert, or all (all:1 is a layer of that name)",
        "NAMES",
        NAMES,
        group=WHAT,
        default=(),
    )
    classes: tuple[str, ...] = option(
        "--class", "classes by name or index, or all", "NAMES", NAMES, group=WHAT, default=()
    )
    unit: tuple[str, ...] = option("--unit", "LAYER:CHANNEL[@Y,X]", "UNITS", UNITS, group=WHAT, default=())
    objective: tuple[str, ...] = option(
        "--objective", "what a plug-in asks of the picture, by name (see `invert doctor`)", "NAMES", NAMES,
        group=WHAT, default=(),
    )  # fmt: skip
    image: tuple[str, ...] = option(
        "--image", "photos (default: one that comes with matplotlib)", "FILE|DIR",
        group=WHAT, default=(), repeated=True,
    )  # fmt: skip
    prior: tuple[str, ...] = option(
        "--prior", "default: dip", "NAMES", NAMES, group=PRIORS, default=("dip",), always=True
    )
    settings: dict[str, dict[str, str]] = field(default_factory=dict, metadata={"asked": SETTINGS})
    weights: str | None = option("--weights", "default: the published ones", "FILE|random", group=NETWORK)
    labels: str | None = option("--labels", "class names, one a line", "FILE", group=NETWORK)
    size: int | None = option(
        "--size", "side of the network's input", "PIXELS", whole(1, 4_096), group=NETWORK
    )
    mean: tuple[float, ...] | None = option(
        "--mean", "subtracted from images in [0, 1]", "R,G,B", NUMBERS, group=NETWORK
    )
    std: tuple[float, ...] | None = option("--std", "then divided by", "R,G,B", NUMBERS, group=NETWORK)
    steps: int | None = option(
        "--steps", "steps a run (default: the prior's)", "N", whole(1, MOST_STEPS), group=WORK
    )
    seeds: tuple[int, ...] = field(default=(0,), metadata={"asked": SEEDS})
    until: float | str | None = option(
        "--until",
        "stop a run at this feature error (fc6=E,…: at one for each layer named); "
        "auto: at one a layer that all of its runs reach, each made twice",
        "E|auto", UNTIL, group=WORK,
    )  # fmt: skip
    patience: int | None = option(
        "--patience", "stop a run when nothing has improved by 1 % for N steps", "N", whole(1), group=WORK
    )
    stop: tuple[str, ...] = option(
        "--stop", "more rules that end a run, by plug-ins (see `invert doctor`)", "NAMES", NAMES,
        group=WORK, default=(),
    )  # fmt: skip
    device: str = option("--device", "default: auto", "auto|cpu|cuda[:N]|mps", group=WORK, default="auto")
    precision: str = option("--precision", "default: auto", "auto|fp32|bf16", group=WORK, default="auto")
    views: int | None = option(
        "--views",
        "random views a step beside the picture itself, 0 for none "
        "(default: 7 for classes and units, 0 for layers)",
        "N", whole(0, 1_000), group=WORK,
    )  # fmt: skip
    controls: bool = option(
        "--controls", "also invert the same layers with random weights", group=WORK, default=False
    )
    judge: str | None = option(
        "--judge", "an independent network that judges the pictures", "MODEL", group=WORK
    )
    judge_weights: str | None = option(
        "--judge-weights", "its weights (default: the published ones)", "FILE", group=WORK
    )
    photos: str | None = option(
        "--photos", "show the photos that drive a class or unit most and least", "DIR", group=WORK
    )

    def __post_init__(self) -> None:
        if not (self.layer or self.classes or self.unit or self.objective):
            object.__setattr__(self, "layer", ("all",))
        check(self)

    @property
    def plugins(self) -> tuple[str, ...]:
        """What can have settings."""
        return (*self.prior, *self.stop, *self.objective)

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        """The request that `as_json` wrote down. Raises `RequestError` for what no command line asks for."""
        strange = sorted(set(value) - {one.name for one in fields(cls)})
        if strange or "model" not in value:
            problem = f"holds {strange[0]!r}, which" if strange else "names no model, without which"
            raise RequestError(f"the request {problem} this version cannot do")
        held: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in value.items()}
        return cls(**held)

    def command(self) -> str:
        """The command line that asks for this."""
        model, *rest = words(self)
        if model.startswith("-") or meant(model):
            return shlex.join(["invert", *rest, "--", model])
        return shlex.join(["invert", model, *rest])
