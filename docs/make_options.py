"""Writes docs/options.md from the options' own table: python docs/make_options.py > docs/options.md"""

from __future__ import annotations

from collections.abc import Iterable

from invert.cli.compare import OUTPUT, SHARED, WORKERS, Comparing
from invert.cli.restore import OUTPUT as RESTORED
from invert.cli.restore import WORKERS as RESTORERS
from invert.cli.study import Output
from invert.sweeps.options import Option, asked
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.restoration import Restoration

HEAD = """\
# Options

Of `invert MODEL …`. `python docs/make_options.py` makes this page from the table that the parser, `--help`
and the command lines in a report are made from. Names in a list stand between commas; a comma that belongs to
a name has a backslash before it (`--layer 'a\\,b'`). A value that begins with a dash is joined to its option
(`--mean=-0.5,0,0`, `--image=-x.png`)."""


def typed(option: Option) -> str:
    metavar = f"[{option.metavar}]" if option.bare is not None else option.metavar
    return f"{option.name} {metavar}".strip() if option.name.startswith("-") else option.metavar


def line(option: Option) -> str:
    often = "; may come several times" if option.repeated else ""
    cells = (f"`{typed(option)}`", option.help + often)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(lines: Iterable[str]) -> str:
    return "\n".join(["| option | what |", "|---|---|", *lines])


def page() -> str:
    groups: dict[str, list[str]] = {}
    for cls in (Request, Placement, Output):
        for _, how in asked(cls):
            groups.setdefault(how.group, []).extend(map(line, how.options))
    parts = [HEAD]
    for group, lines in groups.items():
        parts += [f"## {group[0].upper()}{group[1:]}"] if group else []
        parts.append(table(lines))
    own = (line(option) for _, how in asked(Comparing) for option in how.options)
    shared = [
        how
        for cls, names in ((Request, SHARED), (Placement, WORKERS), (Output, OUTPUT))
        for one, how in asked(cls)
        if one.name in names
    ]
    parts += ["## Of `invert compare A B`", table(own)]
    parts.append(
        f"And, as above: {', '.join(f'`{option.name}`' for how in shared for option in how.options)}."
    )
    above = {how for _, how in asked(Request)}
    of_restore = [how for _, how in asked(Restoration)]
    own = (line(option) for how in of_restore if how not in above for option in how.options)
    shared = [how for how in of_restore if how in above]
    shared += [how for one, how in asked(Placement) if one.name in RESTORERS]
    shared += [how for one, how in asked(Output) if one.name in RESTORED]
    parts += ["## Of `invert restore TASK FILE …`", table(own)]
    parts.append(
        f"And, as above: {', '.join(f'`{option.name}`' for how in shared for option in how.options)}."
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(page())
