"""`invert compare A B`: what changed in what is kept, and what of it is noise."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from invert.cli.arguments import Parser, add_options, parser
from invert.cli.study import Output
from invert.errors import RequestError
from invert.sweeps.options import AUTO, NAMES
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request

ASKED = ("image", "prior", "settings", "steps", "seeds", "until", "patience", "device", "precision")
"""The options of a study that both sides share."""


def compare(words: Sequence[str]) -> int:
    """Status 0, or 1 where a run failed or a `--fail-if` came true, or 130 where it was interrupted."""
    options = _parser().parse_args(words)
    if getattr(options, "until", None) == AUTO:
        raise RequestError(
            "--until auto finds one error a layer in one network: run each side with it, then compare "
            "them with --until E at the larger of the two"
        )
    from invert.cli.comparison import comparison  # torch, which takes seconds

    return comparison(options, shlex.join(["invert", "compare", *words]))


def _parser() -> Parser:
    p = parser("compare", "Two networks or two checkpoints, the same photos and layers: what changed.")
    p.add_argument("a", metavar="A", help="a folder that `invert` wrote, or MODEL or MODEL=WEIGHTS to run")
    p.add_argument("b", metavar="B", help="the same, to set against A")
    p.add_argument("--layer", type=NAMES.read, default=("all",), metavar="NAMES",
                   help="layers to compare, NAME or NAME_IN_A=NAME_IN_B (default: all)")  # fmt: skip
    p.add_argument("--fail-if", action="append", default=[], metavar="THRESHOLD",
                   help='such as "layer fc6 kept.luminance < -0.05"; status 1 where the whole 95 %% interval '
                   "of the change is beyond it, or cannot be told; may be given several times")  # fmt: skip
    add_options(p, Request, ASKED)
    add_options(p, Placement)
    add_options(p, Output, ("out", "quiet"))
    p.add_argument("--resume", action="store_true", help="go on with what --out lacks")
    p.add_argument("--json", action="store_true", help="the comparison on standard output")
    p.add_argument("--markdown", action="store_true", help="a comment for a pull request on standard output")
    return p
