"""The command `invert`: what the user typed, to a status and one last line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from invert.cli import arguments
from invert.errors import InvertError, one_line

Command = Callable[[list[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 (done), 1 (failed), 2 (bad request) or 130 (interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _command(words)(words)
    except SystemExit as stop:  # what argparse does after --help
        return 1 if stop.code else 0
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that Python does not complain at its end
        return 1
    except Exception as error:
        if debug:
            raise
        hint = "" if isinstance(error, InvertError) else " (--debug shows where)"
        print(f"invert: error: {one_line(error)}{hint}", file=sys.stderr)
        return error.exit_status if isinstance(error, InvertError) else 1
    except KeyboardInterrupt:
        print("invert: stopped at once; --resume goes on from what was finished", file=sys.stderr)
        return 130


def _command(words: list[str]) -> Command:
    name = words.pop(0) if words and words[0] in arguments.SUBCOMMANDS else "invert"
    # Commands import torch, which takes seconds: `invert --help` should not wait for it.
    if name == "invert":
        from invert.cli.invert import invert

        return invert
    if name == "report":
        from invert.cli.report import report

        return report
    if name == "compare":
        from invert.cli.compare import compare

        return compare
    from invert.cli import lists

    command: Command = getattr(lists, name)
    return command
