"""What goes to the terminal. Names and messages come from files and networks: here they become plain text."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from invert.errors import InvertWarning, plain

PATH = 8_192
"""A path may be long and must stay whole: it is there to be copied."""


def say(text: object, most: int = PATH, style: str = "") -> None:
    """One line on standard output, in a style where that is a terminal."""
    line = plain(str(text), most)
    if style and (console := Console()).is_terminal:
        console.print(Text(line, style=style))
    else:
        print(line)


def tell(text: object) -> None:
    """One line on standard error, `invert: …`; nobody reading it any more is no reason to stop."""
    with suppress(BrokenPipeError):
        print(f"invert: {plain(str(text))}", file=sys.stderr, flush=True)


def show_table(heads: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table on standard output, every cell of it as plain text: no escape and no markup."""
    columns = (Column(_cell(head)) for head in heads)
    table = Table(*columns, title=_cell(title) if title else None, title_justify="left")
    for row in rows:
        table.add_row(*map(_cell, row))
    console = Console()
    # A pipe has no width: names must not be cut there.
    console.print(table) if console.is_terminal else Console(width=200).print(table)


@contextmanager
def own_warnings() -> Iterator[None]:
    """Within, our own warnings are a line each; those of the libraries are for developers (`--debug`)."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, InvertWarning):
            tell(message)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _cell(value: object) -> Text:
    return Text(plain(str(value)), style=value.style if isinstance(value, Text) else "")
