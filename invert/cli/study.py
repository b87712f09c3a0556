"""`invert MODEL …`: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from invert.cli.arguments import USAGE, Parser, add_options, parser
from invert.cli.terminal import tell
from invert.errors import RequestError
from invert.files import slug
from invert.sweeps.growth import check_programs, grown, held_by
from invert.sweeps.options import Form, option, read
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.restoration import Restoration

WHERE = "what comes out"


def _figure(text: str) -> Path:
    if Path(text).suffix not in (".png", ".pdf", ".svg"):
        raise RequestError(f"{text!r} does not end in .png, .pdf or .svg")
    return Path(text)


FIGURE = Form(_figure)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where what comes out goes, and what is shown of it."""

    out: str | None = option(
        "--out", "the folder for it (default: inversions/MODEL-WHEN)", "DIR", group=WHERE
    )
    resume: str | bool = option(
        "--resume",
        "go on with what DIR (or --out) lacks, or with more",
        "DIR",
        group=WHERE,
        default=False,
        bare=True,
    )
    figure: Path | None = option(
        "--figure", "draw the grid as .png, .pdf or .svg", "FILE", FIGURE, group=WHERE
    )
    quiet: bool = option("--quiet", "no progress, only the last line", group=WHERE, default=False)
    json: bool = option("--json", "what comes out as JSON on standard output", group=WHERE, default=False)
    show: bool = option(
        "--show", "the pictures at the terminal, too (kitty, sixel, else blocks)", group=WHERE, default=False
    )
    open: bool = option("--open", "open the page when it is done", group=WHERE, default=False)
    debug: bool = option("--debug", "a traceback with an error", group=WHERE, default=False)

    def named(self) -> Path | None:
        """The folder that is named, if one is. Raises `RequestError` where two are, or none to go on with."""
        folders = {Path(folder) for folder in (self.out, self.resume) if isinstance(folder, str)}
        if len(folders) > 1:
            raise RequestError("--out and --resume name two folders: one of them is enough")
        if self.resume and not folders:
            raise RequestError("--resume needs a folder to go on with: --resume DIR")
        return folders.pop() if folders else None

    def folder(self, model: str) -> Path:
        """Where a study of `model` goes."""
        if (named := self.named()) is not None:
            return named
        name = f"{Path(model).name}-{datetime.now():%Y%m%d-%H%M%S}"
        return Path("inversions") / slug(name.replace(":", "-"))


def study(words: Sequence[str]) -> int:
    """Carry out one request; status 0, or 1 where a run failed, or 130 where it was interrupted."""
    request, output, where = parsed(words)
    if request.model not in words and not output.quiet:
        tell(f"going on with {request.command()}")
    from invert.cli.carry_out import carry_out, foresee  # torch, which takes seconds

    if where.dry_run:
        return foresee(request, output.folder(request.model), where, output.json)
    return carry_out(
        request,
        output.folder(request.model),
        bool(output.resume),
        output.quiet,
        output.json,
        output.open,
        output.figure,
        where=where,
        shown=output.show,
    )


def parsed(words: Sequence[str]) -> tuple[Request, Output, Placement]:
    """What was asked for, what is to come of it, and where to work.

    Raises `RequestError` for words of another form.
    """
    said = vars(study_parser().parse_args(words))
    output, where = read(Output, said), read(Placement, said)
    folder = output.named()
    held = held_by(folder) if output.resume and folder is not None else None
    if isinstance(held, Restoration):
        raise RequestError(f"{folder} holds restored pictures: invert restore --resume {folder} goes on")
    if held is not None and folder is not None:
        check_programs(held, said, folder)
        return grown(held, said, folder), output, where
    if "model" not in said:
        lacking = f": {folder} holds no request.json to go on with" if output.resume else ""
        raise RequestError(f"MODEL is missing{lacking} (see invert --help)")
    return read(Request, said), output, where


def study_parser() -> Parser:
    p = parser("", f"Shows what each layer of a vision classifier keeps of the image.\n\n{USAGE}")
    p.usage = (
        "invert MODEL [--layer NAMES | --class NAMES | --unit UNITS | --objective NAMES] [options]\n"
        "       invert --resume DIR [more of these]"
    )
    p.add_argument("--version", action="version", version=f"invert {version('invert')}")
    add_options(p, Request, may_lack=("model",))
    add_options(p, Placement)
    add_options(p, Output)
    return p
