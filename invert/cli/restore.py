"""`invert restore TASK FILE …`: the same engine, another observer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from invert import registry
from invert.cli.arguments import Parser, add_options, parser
from invert.cli.study import Output
from invert.cli.terminal import tell
from invert.errors import RequestError
from invert.sweeps.growth import grown, held_by
from invert.sweeps.options import read
from invert.sweeps.placement import Placement
from invert.sweeps.restoration import Restoration

TASKS = """\
  invert restore denoise photo.png                         noise, estimated from the picture (or --sigma 25)
  invert restore inpaint photo.png --mask mask.png         what is white in the mask, or transparent in FILE
  invert restore upscale small.png --factor 4              more pixels
  invert restore jpeg photo.jpg                            what a JPEG of low quality lost
  invert restore flash dark.jpg --flash flash.jpg          the light of one picture, the detail of the other
  invert restore NAME FILE ... --set NAME.SETTING=VALUE    through any operator: {operators}
  invert restore TASK clean.png --simulate                 make what is observed from a clean picture

OUT/NAME.png is the picture: at the size, depth and mode of FILE, the mean over seeds, of the first prior.
OUT/report.html shows it beside what was observed and what methods of a second make of it."""


OUTPUT = ("out", "resume", "quiet", "json", "open", "debug")
"""What is said of where it goes: all but the figure of layers."""
WORKERS = ("jobs",)


def restore(words: Sequence[str]) -> int:
    """Restore pictures; status 0, or 1 where a run failed, or 130 where it was interrupted."""
    request, output, where = parsed(words)
    if not output.quiet and output.resume and not any(file in words for file in request.file):
        tell(f"going on with {request.command()}")
    from invert.cli.carry_out import carry_out  # torch, which takes seconds

    which = f"-{Path(request.file[0]).stem}" if len(request.file) == 1 else ""
    folder = output.folder(f"{request.task}{which}")
    return carry_out(
        request,
        folder,
        bool(output.resume),
        output.quiet,
        output.json,
        output.open,
        again=f"--resume {folder}",
        where=where,
    )


def parsed(words: Sequence[str]) -> tuple[Restoration, Output, Placement]:
    """What was asked for, what is to come of it, and by how many workers.

    Raises `RequestError` for words of another form.
    """
    said = vars(restore_parser().parse_args(words))
    # argparse hands out the task first, then the files.
    if not said.get("file"):
        said.pop("file", None)
    output, where = read(Output, said), read(Placement, said)
    folder = output.named()
    held = held_by(folder) if output.resume and folder is not None else None
    if held is not None and folder is not None:
        if not isinstance(held, Restoration):
            raise RequestError(f"{folder} holds a study of a network: invert --resume {folder} goes on")
        return grown(held, said, folder), output, where
    if "task" not in said:
        raise RequestError(
            "TASK is missing: denoise, inpaint, upscale, jpeg, flash (see invert restore --help)"
        )
    if "file" not in said:
        raise RequestError("FILE is missing: name the pictures to restore")
    return read(Restoration, said), output, where


def restore_parser() -> Parser:
    operators = ", ".join(registry.names("invert.operators"))
    p = parser("restore", f"Restores pictures without training.\n\n{TASKS.format(operators=operators)}")
    p.usage = (
        "invert restore TASK FILE [FILE ...] [options]\n       invert restore --resume DIR [more of these]"
    )
    add_options(p, Restoration, may_lack=("task",))
    add_options(p, Placement, WORKERS)
    add_options(p, Output, OUTPUT)
    return p
