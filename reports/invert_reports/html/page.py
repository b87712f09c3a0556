"""`OUT/report.html`: one file that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from invert.files import write_whole
from invert.report import Report, read_report
from invert_reports.files import PAGE
from invert_reports.html import charts, parts
from invert_reports.html.payload import payload
from invert_reports.html.pictures import Album
from invert_reports.html.restoration import RestoredView
from invert_reports.html.view import Link, View
from invert_reports.study import studies

HERE = Path(__file__).parent
SCRIPT = ("page", "theme", "grid", "closer", "stage", "details", "curve", "copying", "tables")
"""The files of the page's script, in the order in which they run as one."""


DUEL = ("page", "theme", "copying", "duel")
"""Those of the page of restored pictures."""


def write_page(out: Path, report: Report | None = None) -> Path:
    """Render `out/report.json`, and the files it names, to `out/report.html`; returns its path.

    A large report becomes an overview, and `out/pages/` holds the rest. `report` is what
    `report.json` holds, for whoever has it. Works while runs are in progress or failed, and where
    pictures are missing: the page says so.
    """
    out = Path(out)
    report = read_report(out) if report is None else report
    if not parts.is_large(report):
        return write_whole(out / PAGE, render(out, report).encode("utf-8"))
    whole = parts.parts(report)
    for part in whole:
        _write_part(out, part)
    shown = parts.overview(report)
    links = [Link(f"{parts.FOLDER}/{part.file}", part.title, len(part.report.runs)) for part in whole]
    page = render(out, shown, report, parts.left_out(report, shown), links)
    return write_whole(out / PAGE, page.encode("utf-8"))


_drawn: dict[Path, int] = {}
"""What the pages of details that this process wrote were drawn from."""


def _write_part(out: Path, part: parts.Part) -> None:
    """Draw a page of details, if it is not as it was."""
    if part.complete:
        part = replace(part, report=replace(part.report, status="done"))
    file = (out / parts.FOLDER / part.file).absolute()
    stand = hash((part.report.status, *parts.stand(part.report)))
    if _drawn.get(file) == stand and file.is_file():
        return
    links = [Link(f"../{PAGE}", "the overview", None)]
    page = render(out, part.report, part.report, f"{part.title}, a part of", links)
    write_whole(file, page.encode("utf-8"))
    _drawn[file] = stand


def render(
    out: Path, report: Report, whole: Report | None = None, about: str = "", links: Sequence[Link] = ()
) -> str:
    """The page of a report whose files lie in `out`, as HTML; of a `whole` one, what is shown of it.

    `about` says what of it, and `links` lead to the rest.
    """
    if report.headline is not None:
        return _restored(out, report)
    view = View(report, studies(report), Album(out), whole, about, links)
    style, script = _inlined(SCRIPT)
    return (
        environment()
        .get_template("template.html")
        .render(
            view=view,
            contents=view.contents,
            studies=view.studies,
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
            data=_embedded(payload(out, view)),
        )
    )


def _restored(out: Path, report: Report) -> str:
    style, script = _inlined(DUEL)
    template = environment().get_template("restoration.html")
    return template.render(
        view=RestoredView(report, out),
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
    )


def _inlined(names: Sequence[str]) -> tuple[str, str]:
    """The style, and those files of the script as one."""
    style = (HERE / "style.css").read_text(encoding="utf-8")
    return style, "\n".join((HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in names)


@cache
def environment() -> Environment:
    """Made once: a page is drawn after every cell, and its template compiled for the first."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(lines=charts.lines, marker=charts.marker, stacked=charts.stacked)
    return environment


def policy(style: str, script: str | None = None) -> str:
    """The page may show its own pictures and run its own script and style, and nothing else."""
    scripts = "'none'" if script is None else _digest(script)
    return (
        f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _embedded(data: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
