"""`invert report DIR …`: draw the page again, or merge runs into one page."""

from __future__ import annotations

from pathlib import Path

import invert_reports
from invert.cli.arguments import figure, parser
from invert.errors import RequestError


def report(words: list[str]) -> int:
    p = parser("report", "Draws the page of a finished run again, or merges several into one.")
    p.add_argument("directories", nargs="+", metavar="DIR", help="folders that `invert` wrote")
    p.add_argument("--out", metavar="DIR", help="where the merged page goes (needed for several)")
    p.add_argument("--figure", type=figure, metavar="FILE", help="also draw the grid as .png, .pdf or .svg")
    options = p.parse_args(words)
    directories = [Path(directory) for directory in options.directories]
    for directory in directories:
        if not (directory / "report.json").is_file():
            raise RequestError(f"{directory} holds no report.json: name a folder that `invert` wrote")
    if options.out is None and len(directories) > 1:
        raise RequestError("several runs make a new page: say where with --out DIR")
    if options.out is None:
        page, out = invert_reports.write_page(directories[0]), directories[0]
    else:
        out = Path(options.out)
        page = invert_reports.merge(directories, out)
    invert_reports.write_tables(out)
    if options.figure:
        invert_reports.write_figure(out, options.figure)
    print(f"report: {page}")
    return 0
