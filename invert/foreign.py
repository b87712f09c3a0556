"""Code of other people: a model file, a plug-in, a network's first pass."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress

from invert.errors import InvertError, RunError, one_line


@contextmanager
def foreign() -> Iterator[None]:
    """Within, other people's code runs: what it prints goes to standard error, and we stay where we are.

    Standard output is the answer's alone (`--json`), and paths are relative to where the command began.
    """
    with staying(), _printing_to_standard_error(), redirect_stdout(sys.stderr):
        yield


def model_file(model: str) -> tuple[str, str] | None:
    """The file and the factory that MODEL names, or None where it is of another form."""
    match = re.fullmatch(r"(.+\.py)(?::(.*))?", model, re.DOTALL)
    return match and (match[1], match[2] or "")


def is_end(error: BaseException) -> bool:
    """Whether it is no failure but the end: Ctrl-C itself, or a generator that is closed."""
    return type(error) in (KeyboardInterrupt, GeneratorExit)


class blamed_on:
    """Within, what other people's code raises becomes one line that begins with `who`.

    So does what is no `Exception`: `sys.exit`, a library's panic. Our own errors, Ctrl-C and those of
    `but` go on as they are. (A class, for `contextmanager` has rules of its own for `StopIteration`.)
    """

    def __init__(
        self,
        who: str | Callable[[BaseException], str],
        kind: type[InvertError] = RunError,
        but: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.who, self.kind, self.but = who, kind, but

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, (InvertError, *self.but)) or type(error) is KeyboardInterrupt:
            return
        who = self.who if isinstance(self.who, str) else self.who(error)
        raise self.kind(f"{who}: {one_line(error)}") from error


@contextmanager
def staying() -> Iterator[None]:
    """Within, whoever changes the working folder changes it for himself."""
    try:
        here = os.getcwd()  # noqa: PTH109 (a network's every pass comes by here)
    except OSError:  # the folder is gone
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(here)


@contextmanager
def _printing_to_standard_error() -> Iterator[None]:
    """Within, what programs started from here print goes there as well."""
    try:
        sys.stdout.flush()
        before = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):  # one of the two is closed
        yield
        return
    try:
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)
