"""Code of other people: a model file, a plug-in, a network's first pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress


@contextmanager
def foreign() -> Iterator[None]:
    """Within, other people's code runs: what it prints goes to standard error, and we stay where we are.

    Standard output is the answer's alone (`--json`), and paths are relative to where the command began.
    """
    with staying(), _printing_to_standard_error(), redirect_stdout(sys.stderr):
        yield


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
