"""What the user asked for, as plain values: what `request.json` keeps and `--resume` compares."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

DEFAULT_LAYERS = ("all",)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of the command line. Every field is JSON, and has the option's name."""

    model: str
    layer: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    prior: tuple[str, ...] = ("dip",)
    image: tuple[str, ...] = ()
    weights: str | None = None
    labels: str | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    steps: int | None = None
    seeds: tuple[int, ...] = (0,)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    until: float | None = None
    patience: int | None = None
    device: str = "auto"
    precision: str = "auto"
    judge: str | None = None
    judge_weights: str | None = None
    photos: str | None = None
    views: int | None = None
    controls: bool = False

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in value.items()}
        return cls(**fields)

    def command(self) -> str:
        """The command line that asks for this."""
        words = ["invert", self.model]
        defaults = {f.name: f.default for f in fields(self)}
        lists = {"layer": "--layer", "classes": "--class", "unit": "--unit", "prior": "--prior"}
        for name, option in lists.items():
            if values := getattr(self, name):
                words += [option, ",".join(values)]
        for path in self.image:
            words += ["--image", path]
        for name in ("weights", "labels", "size", "mean", "std", "steps", "until", "patience", "views"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
        first, count = self.seeds[0], len(self.seeds)
        words += ["--seed", str(first)] + (["--seeds", str(count)] if count > 1 else [])
        for prior, settings in self.settings.items():
            for setting, value in settings.items():
                words += ["--set", f"{prior}.{setting}={value}"]
        for name in ("device", "precision", "judge", "judge_weights", "photos"):
            if (value := getattr(self, name)) != defaults[name]:
                words += [f"--{name.replace('_', '-')}", str(value)]
        if self.controls:
            words.append("--controls")
        return shlex.join(words)


def differences(asked: Mapping[str, Any], made_by: Mapping[str, Any]) -> list[str]:
    """What differs from the request that a folder was made with, in words."""
    return [
        f"{name} was {made_by.get(name)!r}, now {value!r}"
        for name, value in asked.items()
        if value != made_by.get(name)
    ]
