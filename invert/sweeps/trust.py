"""Whether what is found of a cell in a folder is what this tool writes there: nothing is taken on trust."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from invert.files import json_bytes
from invert.report import Record
from invert.sweeps.cells import Cell
from invert.sweeps.worker import files_of, record_of, steps_of
from invert.typed_json import to_json


def is_record_of(cell: Cell, found: Record) -> bool:
    """Whether a record says of a cell what its request says of it, and of the rest what can be.

    The command is no part of it: as a study grows, another may come to ask for the same cell.
    """
    wanted = to_json(record_of(cell, None))
    decided = ("id", *cell.identity(), "settings", "until", "posed", "source")
    told = to_json(found)
    return (
        not found.more
        and _same(*({name: one.get(name) for name in decided} for one in (told, wanted)))
        and (_can_have_failed if found.error is not None else _can_have_ended)(cell, found)
    )


def is_trace(found: Any, steps: int) -> bool:
    """Whether these are the terms of the loss at each of so many steps."""
    if not isinstance(found, dict) or found.keys() - {"psnr"} != {"step", "loss", "penalty"}:
        return False
    terms = [values for name, values in found.items() if name != "step"]
    return found["step"] == list(range(1, steps + 1)) and all(
        isinstance(term, list) and len(term) == steps and all(map(_number_or_null, term)) for term in terms
    )


def _can_have_failed(cell: Cell, found: Record) -> bool:
    nothing = (found.stopped, found.sha256, found.photos) == (None, None, None) and found.steps == 0
    return nothing and _same(to_json(found.files), to_json(files_of(cell, None)))


def _can_have_ended(cell: Cell, found: Record) -> bool:
    steps, until = steps_of(cell), cell.until
    photos = [] if found.photos is None else [*found.photos.highest, *found.photos.lowest]
    return (
        found.stopped is not None
        and found.sha256 is not None
        and (found.steps == steps if found.stopped == "steps" else 1 <= found.steps <= steps)
        and found.reached == (None if until is None else found.stopped == "until")
        and (found.feature_error is not None or cell.objective != "feature" or cell.posed is not None)
        and _seen_as_its_kind_is(cell, found)
        and _same(to_json(found.files), to_json(files_of(cell, found.steps)))
        and all(re.fullmatch(r"photos/[A-Za-z0-9_][A-Za-z0-9._-]*\.png", str(p.file)) for p in photos)
    )


def _seen_as_its_kind_is(cell: Cell, found: Record) -> bool:
    if cell.objective != "restoration":
        return found.observed is None and found.kept_step is None
    kept = -1 if found.kept_step is None else found.kept_step
    return found.observed is not None and 0 <= kept <= found.steps


def _number_or_null(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and abs(value) <= sys.float_info.max)


def _same(found: Any, wanted: Any) -> bool:
    """Equal as JSON is, where 1 is neither true nor 1.0; `wanted` as it is read back."""
    return json.dumps(found, sort_keys=True) == json.dumps(json.loads(json_bytes(wanted)), sort_keys=True)
