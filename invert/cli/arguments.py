"""The options of each command, and their errors as one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from invert.errors import RequestError
from invert.protocols import MOST_STEPS
from invert.settings import parse_assignments

SUBCOMMANDS = ("layers", "models", "priors", "doctor", "report", "compare")

USAGE = """\
  invert MODEL --layer fc6 --prior dip                     invert a layer
  invert MODEL --layer conv1,conv3,fc6 --prior dip,tv,none layers × priors, one report
  invert MODEL --layer all                                 the layers that matter, shallow to deep
  invert MODEL --class zebra,"golf ball"                   draw what a class looks for
  invert MODEL --unit conv4:17                             ... a channel; conv4:17@6,6 one neuron of it
  invert layers MODEL [--json]                             names, aliases, shapes
  invert models [PATTERN]                                  what MODEL can be
  invert priors                                            the priors and their settings
  invert doctor                                            what is installed, and whether it works
  invert report DIR [DIR ...] [--out DIR]                  draw the page again; merge runs into one
  invert compare A B [--fail-if "layer fc6 kept.luminance < -0.05"]   two networks or checkpoints

MODEL is alexnet-mini (bundled, no download), a torchvision name (alexnet), timm:NAME, or your own
path/to/file.py:factory. torchvision:NAME, where a name equals one of the commands above."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are `RequestError`, so that every error of the tool looks the same."""

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # An empty folder or file would be taken for the current folder.
        if any(not word.strip() for word in arg_strings):
            raise argparse.ArgumentError(action, "it is empty: leave it out, or say what it is")
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message} (see {self.prog} --help)")


def parser(command: str, description: str) -> Parser:
    return Parser(
        prog=f"invert {command}".strip(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def invert_parser() -> Parser:
    """The main job: `invert MODEL …`."""
    p = parser("", f"Shows what each layer of a vision classifier keeps of the image.\n\n{USAGE}")
    p.usage = "invert MODEL [--layer NAMES | --class NAMES | --unit UNITS] [options]"
    p.add_argument("model", metavar="MODEL", help="the network under study")
    what = p.add_argument_group("what to look for")
    what.add_argument("--layer", type=names, default=(), metavar="NAMES", help="layers to invert, or all")
    what.add_argument("--class", type=names, default=(), dest="classes", metavar="NAMES",
                      help="classes by name or index, or all")  # fmt: skip
    what.add_argument("--unit", type=units, default=(), metavar="UNITS", help="LAYER:CHANNEL[@Y,X]")
    what.add_argument("--image", action="append", default=[], metavar="FILE|DIR",
                      help="photos (default: one that comes with matplotlib)")  # fmt: skip
    add_prior_options(p)
    add_subject_options(p)
    work = add_work_options(p)
    work.add_argument("--views", type=whole(0, 1_000), metavar="N",
                      help="random views a step beside the picture itself, 0 for none "
                      "(default: 7 for classes and units, 0 for layers)")  # fmt: skip
    work.add_argument("--controls", action="store_true",
                      help="also invert the same layers with random weights")  # fmt: skip
    work.add_argument("--judge", metavar="MODEL", help="an independent network that judges the pictures")
    work.add_argument("--judge-weights", metavar="FILE")
    work.add_argument("--photos", metavar="DIR",
                      help="show the photos that drive a class or unit most and least")  # fmt: skip
    where = p.add_argument_group("what comes out")
    where.add_argument("--out", metavar="DIR", help="the folder for it (default: inversions/MODEL-WHEN)")
    where.add_argument("--resume", nargs="?", const=True, default=False, metavar="DIR",
                       help="go on with what DIR (or --out) lacks")  # fmt: skip
    where.add_argument("--figure", type=figure, metavar="FILE", help="draw the grid as .png, .pdf or .svg")
    where.add_argument("--quiet", action="store_true", help="no progress, only the last line")
    where.add_argument("--json", action="store_true", help="the summary on standard output")
    where.add_argument("--open", action="store_true", help="open the page when it is done")
    where.add_argument("--debug", action="store_true", help="a traceback with an error")
    return p


def add_prior_options(p: Parser) -> None:
    group = p.add_argument_group("priors")
    group.add_argument("--prior", type=names, default=("dip",), metavar="NAMES", help="default: dip")
    group.add_argument("--set", action="append", default=[], dest="assignments",
                       metavar="PRIOR.SETTING=VALUE", help="see `invert priors`")  # fmt: skip


def add_work_options(p: Parser) -> argparse._ArgumentGroup:
    work = p.add_argument_group("how to work")
    work.add_argument(
        "--steps", type=whole(1, MOST_STEPS), metavar="N", help="steps a run (default: the prior's)"
    )
    work.add_argument("--seed", type=whole(0), default=0, metavar="N", help="the first seed (default: 0)")
    work.add_argument(
        "--seeds", type=whole(1, 10_000), default=1, metavar="K", help="how many seeds (default: 1)"
    )
    work.add_argument("--until", type=positive, metavar="E", help="stop a run at this feature error")
    work.add_argument("--patience", type=whole(1), metavar="N",
                      help="stop a run when nothing has improved by 1 %% for N steps")  # fmt: skip
    work.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]|mps")
    work.add_argument("--precision", default="auto", metavar="auto|fp32|bf16")
    return work


def prior_and_work(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a `Request` that these options give."""
    return {
        "prior": options.prior,
        "settings": parse_assignments(options.assignments),
        "seeds": tuple(range(options.seed, options.seed + options.seeds)),
        **{name: getattr(options, name) for name in ("steps", "until", "patience", "device", "precision")},
    }


def add_subject_options(p: Parser) -> None:
    group = p.add_argument_group("the network")
    group.add_argument("--weights", metavar="FILE|random", help="default: the published ones")
    group.add_argument("--labels", metavar="FILE", help="class names, one a line")
    group.add_argument("--size", type=whole(1, 4_096), metavar="PIXELS", help="side of the network's input")
    group.add_argument("--mean", type=numbers, metavar="R,G,B", help="subtracted from images in [0, 1]")
    group.add_argument("--std", type=numbers, metavar="R,G,B", help="then divided by")


def names(text: str) -> tuple[str, ...]:
    """Comma-separated names, without repetitions."""
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not found:
        raise argparse.ArgumentTypeError("it must name at least one")
    return found


def units(text: str) -> tuple[str, ...]:
    """Comma-separated units: a comma inside a position (`conv4:17@6,6`) does not separate."""
    found: list[str] = []
    for word in names_with_repetitions(text):
        if found and word.isdecimal() and "@" in found[-1]:
            found[-1] += f",{word}"
        else:
            found.append(word)
    if not found:
        raise argparse.ArgumentTypeError("it must name at least one")
    return tuple(dict.fromkeys(found))


def names_with_repetitions(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def figure(text: str) -> Path:
    if Path(text).suffix not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png, .pdf or .svg")
    return Path(text)


def numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 0.5,0.5,0.5") from None


def whole(least: int, most: int = 2**63 - 1) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # Long numbers are not even read: Python takes seconds for some, and refuses others.
        if not text.isdecimal() or len(text) > 19 or not least <= int(text) <= most:
            bound = f" and at most {most:,}" if most < 2**63 - 1 else ""
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more{bound}")
        return int(text)

    return parse


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
