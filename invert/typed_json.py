"""JSON read into dataclasses, checked once at the door, and written from them again.

A field that is missing or null takes its default, so that older files open; fields that a class does
not know are kept under `more`, so that newer ones do. Everything else is one line that names the field.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from invert.errors import RequestError
from invert.files import MOST_JSON, read_regular

MOST_NESTED = 20
"""How deep values of any kind may nest: every reader and writer after this one may recurse."""

LARGEST_WHOLE = 2**63 - 1


class Says:
    """What the schema says of a field beside its type: a sentence, and keywords such as `minimum`."""

    def __init__(self, text: str = "", **keywords: Any) -> None:
        self.text, self.keywords = text, keywords


@dataclass(kw_only=True, eq=False)
class Fields:
    """A JSON object: a field of the class for each of its own, each with a default."""

    always: ClassVar[str] = ""
    """The names, with spaces between, that even the first version wrote: the schema requires them."""

    more: dict[str, Any] = field(default_factory=dict, repr=False)
    """Fields of another version, as they were read."""


T = TypeVar("T", bound=Fields)


def load(file: Path) -> Any:
    """The JSON value in a file. `OSError` where it cannot be read, `ValueError` where it holds no JSON.

    Numbers that are not finite become null, half surrogates become question marks.
    """
    text = read_regular(file, MOST_JSON).decode("utf-8")
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def load_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `RequestError` in one line that names the file."""
    try:
        value = load(file)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise RequestError(f"{file} cannot be read: {' '.join(reason.split())}") from error
    if not isinstance(value, dict):
        raise RequestError(f"{file}: {_wrong('it', value, 'an object')}")
    return value


def read_as(cls: type[T], file: Path, value: Mapping[str, Any]) -> T:
    """What a file held, as an object of `cls`; `RequestError` names the file and the field that is wrong."""
    try:
        return read(cls, value)
    except ValueError as error:
        raise RequestError(f"{file}: {error}") from None


def read(cls: type[T], value: object, where: str = "") -> T:
    """`value` as an object of `cls`; `ValueError` for a wrong one: `runs[3].steps is 'x': it must be …`."""
    if not isinstance(value, Mapping):
        raise _wrong(where or "it", value, "an object")
    kinds = _kinds(cls)
    known = {
        name: _read(kind, value[name], f"{where}.{name}" if where else name)
        for name, kind in kinds.items()
        if value.get(name) is not None
    }
    more = {
        _text(name): _plain(v, f"{where}[{_shown(name)}]") for name, v in value.items() if name not in kinds
    }
    return cls(**known, more=more)


def to_json(value: Any) -> Any:
    """An object as plain JSON, its unknown fields behind its own."""
    if isinstance(value, Fields):
        own = {name: to_json(getattr(value, name)) for name in _kinds(type(value))}
        return {**own, **value.more}
    if isinstance(value, Mapping):
        return {name: to_json(entry) for name, entry in value.items()}
    return [to_json(entry) for entry in value] if isinstance(value, list | tuple) else value


def schema_of(cls: type[Fields]) -> dict[str, Any]:
    """The JSON schema of `cls` and of the classes in it (draft 2020-12)."""
    found: dict[str, Any] = {}
    _define(cls, found)
    return {**found.pop(cls.__name__), "$defs": found}


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _read(arguments[0], value, where)
    if origin in (types.UnionType, typing.Union):
        rest = next(a for a in arguments if a is not types.NoneType)
        return None if value is None else _read(rest, value, where)
    if kind is Any:
        return _plain(value, where)
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(where, value, "a list")
        return [_read(arguments[0], entry, f"{where}[{n}]") for n, entry in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, value, "an object")
        return {_text(name): _read(arguments[1], v, f"{where}[{_shown(name)}]") for name, v in value.items()}
    if isinstance(kind, type) and issubclass(kind, Fields):
        return read(kind, value, where)
    return _scalar(kind, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is str:
        if not isinstance(value, str):
            raise _wrong(where, value, "text")
        return _text(value)
    if kind is bool:
        if not isinstance(value, bool):
            raise _wrong(where, value, "true or false")
        return value
    if kind is int:
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        if not whole or abs(value) > LARGEST_WHOLE:
            raise _wrong(where, value, "a whole number")
        return int(value)
    assert kind is float
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wrong(where, value, "a finite number")
    return number


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """A value of any kind, fit to be written again."""
    if depth > MOST_NESTED:
        raise ValueError(f"{where} is nested more than {MOST_NESTED} deep")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise _wrong(where, value, f"at most {LARGEST_WHOLE}")
    if isinstance(value, list):
        return [_plain(entry, where, depth + 1) for entry in value]
    if isinstance(value, dict):
        return {_text(name): _plain(entry, where, depth + 1) for name, entry in value.items()}
    return value


def _text(text: str) -> str:
    """Text that can be written: JSON may hold halves of surrogate pairs, which no file can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _wrong(where: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"{where} is {_shown(value)}: it must be {wanted}")


def _shown(value: object) -> str:
    """A value in a few words, whatever it is: long ones are cut, and control characters are escaped."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        return "a number of too many digits"
    if isinstance(value, str) and len(value) > 60:
        return f"{value[:60]!r}…"
    return repr(value)


_KINDS: dict[type, dict[str, Any]] = {}


def _kinds(cls: type[Fields]) -> dict[str, Any]:
    """The type of each field that JSON may hold; looked up once a class, as it takes its time."""
    if cls not in _KINDS:
        hints = typing.get_type_hints(cls, include_extras=True)
        _KINDS[cls] = {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.name != "more"}
    return _KINDS[cls]


def _define(cls: type[Fields], found: dict[str, Any]) -> None:
    if cls.__name__ in found:
        return
    found[cls.__name__] = {}  # taken, before its fields are looked at
    found[cls.__name__] = {
        "description": " ".join((cls.__doc__ or "").split()),
        "type": "object",
        "required": cls.always.split(),
        "properties": {name: _schema_of(kind, found) for name, kind in _kinds(cls).items()},
    }


def _schema_of(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        says = arguments[1]
        text = {"description": says.text} if says.text else {}
        return {**text, **_schema_of(arguments[0], found), **says.keywords}
    if origin in (types.UnionType, typing.Union):
        inner = _schema_of(next(a for a in arguments if a is not types.NoneType), found)
        if isinstance(inner.get("type"), str) and "enum" not in inner:
            return {**inner, "type": [inner["type"], "null"]}
        return {"anyOf": [inner, {"type": "null"}]}
    if kind is Any:
        return {}
    if origin is list:
        return {"type": "array", "items": _schema_of(arguments[0], found)}
    if origin is dict:
        inner = _schema_of(arguments[1], found)
        return {"type": "object", **({"additionalProperties": inner} if inner else {})}
    if issubclass(kind, Fields):
        _define(kind, found)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return {"type": {str: "string", bool: "boolean", int: "integer", float: "number"}[kind]}
