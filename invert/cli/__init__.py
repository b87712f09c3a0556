"""The command `invert`: what the user typed, to a status and one last line."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from invert.cli.arguments import Answered
from invert.cli.terminal import own_warnings, tell
from invert.errors import InvertError, RequestError, one_line
from invert.sweeps.request import SUBCOMMANDS, meant

Command = Callable[[list[str]], int]

NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 (done), 1 (failed), 2 (bad request) or 130 (interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # where a terminal has no ×, it shows \xd7
        sys.stdout.reconfigure(errors="backslashreplace")
    end = words.index("--") if "--" in words else len(words)
    debug = "--debug" in words[:end]
    words = [word for word in words[:end] if word != "--debug"] + words[end:]
    try:
        with nullcontext() if debug else own_warnings():
            return _command(words)(words)
    except SystemExit as stop:
        if isinstance(stop, Answered):
            return 0
        tell(f"error: a plug-in or the network called sys.exit({stop.code!r})")
        return 1
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python does not complain at its end
        return 1
    except OSError as error:
        if debug:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        tell(f"error: {where}{error.strerror or one_line(error)}")
        return 2 if error.errno in NO_SUCH_NAME else 1
    except KeyboardInterrupt:
        tell("stopped at once; --resume goes on from what was finished")
        return 130
    except BaseException as error:  # libraries in other languages panic with what is no Exception
        if debug:
            raise
        hint = "" if isinstance(error, InvertError) else " (--debug shows where)"
        tell(f"error: {one_line(error)}{hint}")
        return error.exit_status if isinstance(error, InvertError) else 1


def _command(words: list[str]) -> Command:
    """What the first word names. None imports torch, which takes seconds, before it has read the others."""
    first = words[0] if words else ""
    if first in SUBCOMMANDS:
        words.pop(0)
    elif near := meant(first):
        raise RequestError(
            f"unknown command {first!r}: did you mean {near}? (torchvision:{first}, if it is a network)"
        )
    if first == "report":
        from invert.cli.report import report

        return report
    if first == "compare":
        from invert.cli.compare import compare

        return compare
    if first == "restore":
        from invert.cli.restore import restore

        return restore
    if first == "completion":
        from invert.cli.completion import completion

        return completion
    if first == "doctor":
        from invert.cli.doctor import doctor

        return doctor
    if first in SUBCOMMANDS:
        from invert.cli import lists

        command: Command = getattr(lists, first)
        return command
    from invert.cli.study import study

    return study
