"""A request to restore pictures: `invert restore`, as plain values. The options that it shares with a
request for layers are the same ones."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from invert.errors import RequestError
from invert.sweeps.options import AUTO, NAMES, Form, argument, check, option, whole, words
from invert.sweeps.request import WHAT, WORK, Request

NO_STOP = "never"


def as_for_layers(name: str) -> Any:
    """The option of that name which a request for layers has."""
    one = Request.__dataclass_fields__[name]
    if one.default_factory is not MISSING:
        return field(default_factory=one.default_factory, metadata=one.metadata)
    return field(default=one.default, metadata=one.metadata)


def _sigma(text: str) -> float | str:
    if text == AUTO:
        return AUTO
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 255:
        raise RequestError(f"{text!r} is not auto, nor a number from 0 to 255")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise RequestError(f"{text!r} is not a number between 0 and 1")
    return value


SIGMA, SHARE = Form(_sigma), Form(_share)


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """One call of `invert restore`. Every field is JSON.

    Of `mask`, `flash` and `truth` there is none, one for all files, or one for each. Raises
    `RequestError` where a field holds what no command line asks for.
    """

    task: str = argument("task", "denoise, inpaint, upscale, jpeg, flash, or an operator's name", "TASK")
    file: tuple[str, ...] = argument("file", "the pictures", "FILE", repeated=True)
    truth: tuple[str, ...] = option(
        "--truth", "what it should have been, to measure by (one for each FILE)", "FILE",
        group=WHAT, default=(), repeated=True,
    )  # fmt: skip
    simulate: bool = option(
        "--simulate",
        "FILE is clean: make what is observed from it, and keep it to measure by",
        group=WHAT,
        default=False,
    )
    draw: int = option(
        "--draw", "which noise, or which missing pixels, --simulate draws (default: 0)", "N",
        whole(0), group=WHAT, default=0,
    )  # fmt: skip
    sigma: float | str | None = option(
        "--sigma",
        "denoise: the noise, in levels of 255 (default: auto, estimated from the picture)",
        "S|auto",
        SIGMA,
        group=WHAT,
    )
    mask: tuple[str, ...] = option(
        "--mask", "inpaint: white is what is missing (default: what is transparent in FILE)", "FILE",
        group=WHAT, default=(), repeated=True,
    )  # fmt: skip
    share: float | None = option(
        "--share", "inpaint with --simulate: how much is missing (default: 0.5)", "S", SHARE, group=WHAT
    )
    factor: int | None = option(
        "--factor", "upscale: how many times as wide and high (default: 4)", "N", whole(2, 16), group=WHAT
    )
    quality: int | None = option(
        "--quality", "jpeg with --simulate: of the JPEG (default: 10)", "Q", whole(1, 95), group=WHAT
    )
    flash: tuple[str, ...] = option(
        "--flash", "flash: the same picture by flash light", "FILE", group=WHAT, default=(), repeated=True
    )
    prior: tuple[str, ...] = as_for_layers("prior")
    settings: dict[str, dict[str, str]] = as_for_layers("settings")
    steps: int | None = as_for_layers("steps")
    seeds: tuple[int, ...] = as_for_layers("seeds")
    patience: int | None = as_for_layers("patience")
    stop: tuple[str, ...] = option(
        "--stop", f"rules that end a run (default: the task's), or {NO_STOP}", "NAMES", NAMES,
        group=WORK, default=(),
    )  # fmt: skip
    device: str = as_for_layers("device")
    precision: str = as_for_layers("precision")

    objective: ClassVar[str] = "restoration"
    one_each: ClassVar[tuple[str, ...]] = ("truth", "mask", "flash")
    """Fields that may name a file for each of `file`."""

    def __post_init__(self) -> None:
        check(self)
        if len(set(self.file)) < len(self.file):
            raise RequestError("a FILE comes twice: once is enough (--seeds makes several of each)")
        for name in self.one_each:
            named = len(getattr(self, name))
            if named not in (0, 1, len(self.file)):
                raise RequestError(
                    f"--{name} comes {named} times for {len(self.file)} pictures: name one for each"
                )
        if len(self.truth) == 1 < len(self.file):
            raise RequestError(f"--truth comes once for {len(self.file)} pictures: name one for each")
        if NO_STOP in self.stop and len(self.stop) > 1:
            raise RequestError(f"--stop {NO_STOP} stands alone")

    def alone(self, number: int, **changes: Any) -> Restoration:
        """The request for one of the files alone, with these changes."""
        for name in self.one_each:
            named = getattr(self, name)
            changes[name] = named[number : number + 1] if len(named) > 1 else named
        return replace(self, file=(self.file[number],), **changes)

    def as_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Restoration:
        """The request that `as_json` wrote down. Raises `RequestError` for what no command line asks for."""
        strange = sorted(set(value) - {one.name for one in fields(cls)})
        lacking = [name for name in ("task", "file") if name not in value]
        if strange or lacking:
            problem = f"holds {strange[0]!r}" if strange else f"names no {lacking[0]}"
            raise RequestError(f"the request {problem}, which this version cannot do")
        held: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in value.items()}
        return cls(**held)

    def command(self) -> str:
        """The command line that asks for this."""
        rest = words(self)[1 + len(self.file) :]
        apart = any(file.startswith("-") for file in self.file)
        named = [*rest, "--", *self.file] if apart else [*self.file, *rest]
        return shlex.join(["invert", "restore", self.task, *named])


AnyRequest = Request | Restoration


def kind_of(value: Mapping[str, Any]) -> type[Request] | type[Restoration]:
    """Of which kind the request is that `as_json` wrote down."""
    return Restoration if "task" in value else Request
