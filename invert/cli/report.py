"""`invert report DIR …`: draw the page again, or merge runs into one page."""

from __future__ import annotations

from pathlib import Path

from invert.cli.arguments import add_options, parser
from invert.cli.study import Output
from invert.cli.terminal import say
from invert.errors import RequestError
from invert.sweeps.options import read


def report(words: list[str]) -> int:
    p = parser("report", "Draws the page of a finished run again, or merges several into one.")
    p.add_argument("directories", nargs="+", metavar="DIR", help="folders that `invert` wrote")
    add_options(p, Output, only=("out", "figure"))
    options = p.parse_args(words)
    output = read(Output, vars(options))
    import invert_reports  # matplotlib, which takes a while

    directories = [Path(directory) for directory in options.directories]
    for directory in directories:
        if not (directory / "report.json").is_file():
            raise RequestError(f"{directory} holds no report.json: name a folder that `invert` wrote")
    if output.out is None and len(directories) > 1:
        raise RequestError("several runs make a new page: say where with --out DIR")
    if output.out is None:
        page, out = invert_reports.write_page(directories[0]), directories[0]
    else:
        out = Path(output.out)
        page = invert_reports.merge(directories, out)
    invert_reports.write_tables(out)
    if output.figure:
        invert_reports.write_figure(out, output.figure)
    say(f"report: {page}")
    return 0
