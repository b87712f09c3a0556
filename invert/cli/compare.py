"""`invert compare A B`: what changed in what is kept, and what of it is noise."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from invert.cli.arguments import Parser, add_options, parser
from invert.cli.study import Output
from invert.sweeps.options import NAMES, argument, option, read
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request

SHARED = ("image", "prior", "settings", "steps", "seeds", "until", "patience", "device", "precision")
"""The options of a study that both sides take."""

OUTPUT = ("out", "quiet", "json")
WORKERS = ("jobs", "on", "needs")


@dataclass(frozen=True, kw_only=True)
class Comparing:
    """What `invert compare` is asked beside what its two sides are."""

    a: str = argument("a", "a folder that `invert` wrote, or MODEL or MODEL=WEIGHTS to run", "A")
    b: str = argument("b", "the same, to set against A", "B")
    layer: tuple[str, ...] = option(
        "--layer", "layers to compare, NAME or NAME_IN_A=NAME_IN_B (default: all)", "NAMES", NAMES,
        default=("all",),
    )  # fmt: skip
    fail_if: tuple[str, ...] = option(
        "--fail-if",
        'such as "layer fc6 kept.luminance < -0.05"; status 1 where the whole 95 % interval of the change is '
        "beyond it, or cannot be told",
        "THRESHOLD", default=(), repeated=True,
    )  # fmt: skip
    resume: bool = option("--resume", "go on with what --out lacks", default=False)
    markdown: bool = option("--markdown", "a comment for a pull request on standard output", default=False)


def compare(words: Sequence[str]) -> int:
    """Status 0, or 1 where a run failed or a `--fail-if` came true, or 130 where it was interrupted."""
    said = vars(_parser().parse_args(words))
    from invert.cli.comparison import comparison  # torch, which takes seconds

    return comparison(read(Comparing, said), said, shlex.join(["invert", "compare", *words]))


def _parser() -> Parser:
    p = parser("compare", "Two networks or two checkpoints, the same photos and layers: what changed.")
    add_options(p, Comparing)
    add_options(p, Request, SHARED)
    add_options(p, Placement, WORKERS)
    add_options(p, Output, OUTPUT)
    return p
