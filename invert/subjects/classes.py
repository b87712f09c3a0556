"""Class names: reading them from a file, and finding the class that a text means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from invert.errors import RequestError, unknown
from invert.files import read_regular

MOST_DIGITS = 20
"""Of the number of a class: Python makes none of thousands."""

MOST_BYTES = 2**24
"""Of a file of class names: ImageNet's 21,841 with all their synonyms take 1 MB."""


def read(path: str | Path) -> tuple[str, ...]:
    """The class names in a text file: one a line, in the order of the outputs.

    Raises `RequestError` if there is no such file, or it is no text.
    """
    try:
        lines = read_regular(path, MOST_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RequestError(f"labels {str(path)!r}: not a UTF-8 text file") from None
    except OSError as error:
        raise RequestError(f"labels {str(path)!r}: {error.strerror or error}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.strip() for line in lines)


def index(text: str | int, names: Sequence[str] | None, count: int, model: str) -> int:
    """The index of the class that `text` means among `count`; see `Subject.class_index`."""
    text = str(text).strip()
    if re.fullmatch(r"-?\d+", text):
        number = int(text) if len(text) < MOST_DIGITS else -1
        if not 0 <= number < count:
            raise RequestError(f"class {text} is not there: {model} has 0 to {count - 1}")
        return number
    if names is None:
        raise RequestError(
            f"class {text!r}: {model} has no class names; say 0 to {count - 1}, or give labels"
        )
    folded = text.casefold()

    def by_words(name: str) -> bool:
        if not 0 < len(text) <= len(name):  # to compile a megabyte takes seconds
            return False
        return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", name, re.IGNORECASE) is not None

    for means in (
        lambda name: name == text,
        lambda name: name.casefold() == folded,
        by_words,
        lambda name: bool(text) and folded in name.casefold(),
    ):
        matches = [i for i, name in enumerate(names) if means(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(f"{names[i]} ({i})" for i in matches[:6])
            more = f" and {len(matches) - 6} more" if len(matches) > 6 else ""
            raise RequestError(f"class {text!r} means several: {listed}{more}")
    raise unknown("class", text, names, f"in {model}")
