"""Whether what is found of a cell in a folder is what this tool writes there: nothing is taken on trust."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from invert.files import json_bytes
from invert.sweeps.cells import Cell
from invert.sweeps.worker import Record, files_of, record_of, steps_of

Check = Callable[[Any], bool]


def is_record_of(cell: Cell, found: Record) -> bool:
    """Whether a record says of the cell what the request says of it, and of the rest what can be.

    The command is no part of it: as a study grows, another may come to ask for the same cell.
    """
    wanted = json.loads(json_bytes(record_of(cell, None)))  # as it is read back
    if found.keys() != wanted.keys():
        return False
    came_out = {name: check(found[name]) for name, check in CAME_OUT.items()}
    decided = (_same(found[name], wanted[name]) for name in wanted.keys() - came_out.keys())
    return all(came_out.values()) and all(decided) and _hangs_together(cell, found)


def is_trace(found: Any, steps: int) -> bool:
    """Whether these are the terms of the loss at each of so many steps."""
    if not isinstance(found, dict) or found.keys() != {"step", "loss", "penalty"}:
        return False
    loss, penalty = found["loss"], found["penalty"]
    terms = all(isinstance(term, list) and len(term) == steps for term in (loss, penalty))
    return (
        terms
        and _same(found["step"], list(range(1, steps + 1)))
        and all(value is None or _number(value) for value in (*loss, *penalty))
    )


def _hangs_together(cell: Cell, found: Record) -> bool:
    """Whether what came out agrees with itself and with the request."""
    steps, stopped, failed = found["steps"], found["stopped"], found["error"] is not None
    until = cell.request.until
    if failed:
        return (
            stopped is None
            and steps == 0
            and found["sha256"] is None
            and _same(found["files"], files_of(cell, None))
        )
    return (
        stopped is not None
        and found["sha256"] is not None
        and (steps == steps_of(cell) if stopped == "steps" else 1 <= steps <= steps_of(cell))
        and _same(found["reached"], None if until is None else stopped == "until")
        and _same(found["files"], files_of(cell, steps))
    )


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON is: 1 is neither true nor 1.0."""
    try:
        return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    except RecursionError:
        return False


def _number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _text(value: Any) -> bool:
    """Text that can be written down: JSON can also say half of a character."""
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _named(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _with(checks: Mapping[str, Check]) -> Check:
    return lambda value: (
        isinstance(value, dict)
        and value.keys() == checks.keys()
        and all(check(value[name]) for name, check in checks.items())
    )


_PHOTO = _with(
    {"file": _matches(r"photos/[A-Za-z0-9_][A-Za-z0-9._-]*\.png"), "name": _text, "score": _number}
)
_PHOTOS = _with(
    {
        "count": _whole,
        "skipped": _whole,
        "mean": _number,
        "max": _number,
        "highest": _list_of(_PHOTO),
        "lowest": _list_of(_PHOTO),
        "of_class": _or_null(_with({"by": _text, "count": _whole, "mean": _number, "max": _number})),
    }
)

CAME_OUT: Mapping[str, Check] = {
    "steps": _whole,
    "seconds": _number,
    "stopped": _or_null(_text),
    "reached": _or_null(lambda value: isinstance(value, bool)),
    "error": _or_null(_text),
    "device": _text,
    "precision": _text,
    "threads": _whole,
    "parameters": _or_null(_whole),
    "views": _or_null(_named(_number)),
    "feature_error": _or_null(_number),
    "measures": _named(_or_null(_number)),
    "top5": _or_null(_list_of(_with({"index": _whole, "name": _text, "probability": _number}))),
    "photos": _or_null(_PHOTOS),
    "command": _text,
    "sha256": _or_null(_matches("[0-9a-f]{64}")),
    "files": lambda value: isinstance(value, dict),
}
"""What the request does not decide, and how each can be. All else in a record is decided by it."""
