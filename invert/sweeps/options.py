"""How a value is asked for on the command line: said once, beside the field that it fills.

From it come the parser, `--help`, docs/options.md, and the command line that asks for a value again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar

from invert.errors import RequestError

T = TypeVar("T")
AUTO = "auto"
Said = dict[str, Any]
"""What options say, by their keys: one value, or for a repeated one a list."""


@dataclass(frozen=True)
class Form:
    """A kind of value as text, and back: `read(write(value)) == value`. `read` raises `RequestError`."""

    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def _some_text(text: str) -> str:
    if not text.strip():
        raise RequestError("it is empty: leave it out, or say what it is")
    return text


TEXT = Form(_some_text)


@dataclass(frozen=True)
class Option:
    """`--NAME METAVAR`, or NAME for one that goes by its place; without a metavar a switch.

    `bare` is what it says where it comes without its value, if it may.
    """

    name: str
    help: str
    metavar: str = ""
    form: Form = TEXT
    repeated: bool = False
    bare: Any = None

    @property
    def key(self) -> str:
        return self.name.lstrip("-").replace("-", "_")

    def words(self, value: Any) -> list[str]:
        """What is typed to say it."""
        if self._is_bare(value):
            return [self.name]
        text = self.form.write(value)
        if not self.name.startswith("-"):
            return [text]
        # A text that could be taken for an option is joined to its own.
        return [f"{self.name}={text}"] if text.startswith("-") else [self.name, text]

    def heard(self, value: Any) -> Any:
        """`value` as it comes back from what is typed to say it."""
        if self._is_bare(value):
            return True if self.bare is None else self.bare
        if (text := self.form.write(value)) == "--" and self.name.startswith("-"):
            raise RequestError(f"it cannot be {text!r}")  # which argparse takes for the end of the options
        return self.form.read(text)

    def _is_bare(self, value: Any) -> bool:
        return not self.metavar or (self.bare is not None and value is self.bare)


@dataclass(frozen=True)
class Asked:
    """How a field is asked for: the options, and from what they say to its value and back."""

    options: tuple[Option, ...]
    group: str
    value: Callable[[Said], Any]
    said: Callable[[Any], Said]
    always: bool = False
    """Whether a command line says it even where it is the default, which a later version may change."""


def option(
    name: str, help: str, metavar: str = "", form: Form = TEXT, *, group: str = "", default: Any = None,
    repeated: bool = False, bare: Any = None, always: bool = False,
) -> Any:  # fmt: skip
    """A field with one option; where that is `repeated`, it holds a tuple of what was said."""
    one = Option(name, help, metavar, form, repeated, bare)
    return field(default=default, metadata={"asked": _plainly(one, group, always)})


def argument(name: str, help: str, metavar: str, repeated: bool = False) -> Any:
    """A field that a place on the command line fills; where that is `repeated`, with a tuple."""
    one = Option(name, help, metavar, repeated=repeated)
    return field(metadata={"asked": _plainly(one, "", always=True)})


def _plainly(one: Option, group: str, always: bool) -> Asked:
    return Asked(
        (one,),
        group,
        value=lambda said: tuple(said[one.key]) if one.repeated else said[one.key],
        said=lambda value: {one.key: list(value) if one.repeated else value},
        always=always,
    )


def asked(cls: type[Any]) -> Iterator[tuple[Field[Any], Asked]]:
    """The fields of a class that a command line fills, and how."""
    for one in fields(cls):
        if "asked" in one.metadata:
            yield one, one.metadata["asked"]


def read(cls: type[T], said: Mapping[str, Any], **more: Any) -> T:
    """What a command line asks for, from what was said on it, and `more` of which it does not decide."""
    values = {}
    for one, how in asked(cls):
        here = {option.key: said[option.key] for option in how.options if option.key in said}
        if here:
            values[one.name] = how.value(here)
    return cls(**(values | more))


def words(value: Any) -> list[str]:
    """What is typed to ask for it."""
    found: list[str] = []
    for one, how in asked(type(value)):
        held = getattr(value, one.name)
        if how.always or held != _default(one):
            found += [word for option, each in _each(how, held) for word in option.words(each)]
    return found


def check(value: Any) -> None:
    """Raise `RequestError` where a field holds what no command line asks for."""
    for one, how in asked(type(value)):
        held, said = getattr(value, one.name), Said()
        name = " and ".join(option.name for option in how.options)
        if held is _default(one):
            continue
        try:
            for option, each in _each(how, held):
                heard = option.heard(each)
                said[option.key] = [*said.get(option.key, []), heard] if option.repeated else heard
            if held != (how.value(said) if said else _default(one)):
                raise ValueError
        except RequestError as error:
            raise RequestError(f"{name}: {error}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise RequestError(f"{name}: {held!r} cannot be asked for") from error


def _default(one: Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _each(how: Asked, held: Any) -> Iterator[tuple[Option, Any]]:
    """What each option says of what a field holds, once for each time that it comes."""
    said = how.said(held)
    for option in how.options:
        if option.repeated:
            yield from ((option, each) for each in said.get(option.key, ()))
        elif (option.metavar or said.get(option.key)) and option.key in said:
            yield option, said[option.key]


def whole(least: int, most: int = 2**63 - 1) -> Form:
    def read(text: str) -> int:
        # Long numbers are not even read: Python takes seconds for some, and refuses others.
        if not text.isdecimal() or len(text) > 19 or not least <= int(text) <= most:
            bound = f" and at most {most:,}" if most < 2**63 - 1 else ""
            raise RequestError(f"{text!r} is not a whole number of {least} or more{bound}")
        return int(text)

    return Form(read)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise RequestError(f"{text!r} is not a number above 0")
    return value


def _until(text: str) -> float | str:
    if text == AUTO or "=" not in text:
        return AUTO if text == AUTO else _positive(text)
    return said_of_layers(errors_of_layers(text))


def errors_of_layers(text: str) -> dict[str, float]:
    """`conv1=0.02,fc6=0.05`, an error for each layer that is named."""
    found = {}
    for part in _listed(text):
        name, _, error = part.rpartition("=")
        if not name.strip():
            raise RequestError(f"{part!r} names no layer: it has the form LAYER=E,LAYER=E")
        found[_plain(name.strip())] = _positive(error.strip())
    return found


def said_of_layers(errors: Mapping[str, float]) -> str:
    """The text of `errors_of_layers`."""
    return ",".join(f"{_kept(name)}={error}" for name, error in errors.items())


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise RequestError(f"{text!r} is not a list of numbers such as 0.5,0.5,0.5")
    return values


def _listed(text: str) -> list[str]:
    """What stands between commas, without blanks around it; a backslash keeps a comma, or a backslash."""
    parts, kept = [""], False
    for character in text:
        if character == "," and not kept:
            parts.append("")
        else:
            parts[-1] += character
        kept = character == "\\" and not kept
    return [stripped for part in parts if (stripped := part.strip())]


def _kept(name: str) -> str:
    return re.sub(r"([\\,])", r"\\\1", name)


def _plain(part: str) -> str:
    return re.sub(r"\\([\\,])", r"\1", part)


def _some(parts: Sequence[str]) -> tuple[str, ...]:
    """The names that parts of a list stand for, without repetitions."""
    names = tuple(dict.fromkeys(map(_plain, parts)))
    if not names:
        raise RequestError("it must name at least one")
    return names


def _names(text: str) -> tuple[str, ...]:
    return _some(_listed(text))


def _units(text: str) -> tuple[str, ...]:
    """A comma inside a position (`conv4:17@6,6`) does not separate."""
    found: list[str] = []
    for part in _listed(text):
        if found and part.isdecimal() and "@" in found[-1]:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return _some(found)


def _kept_unit(unit: str) -> str:
    return re.sub(r"(@\d+)\\(,\d+)$", r"\1\2", _kept(unit))


def _joined(values: Iterable[Any], kept: Callable[[Any], str] = str) -> str:
    return ",".join(map(kept, values))


UNTIL = Form(_until)
NUMBERS = Form(_numbers, _joined)
NAMES = Form(_names, lambda names: _joined(names, _kept))
UNITS = Form(_units, lambda units: _joined(units, _kept_unit))
