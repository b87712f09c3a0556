"""A folder that `invert` wrote, looked at from Python and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from invert.errors import RequestError
from invert.report import Report, read_report

PAGE = "report.html"


@dataclass(frozen=True)
class Study:
    """A finished folder: `report` holds its numbers; a notebook shows its page, whole and working.

        !invert alexnet-mini --layer all --seeds 2 --out layers
        invert.study("layers")

    `height` is that of the frame it is shown in, in pixels.
    """

    folder: Path
    report: Report = field(repr=False)
    height: int = 900

    @property
    def page(self) -> Path:
        return self.folder / PAGE

    def _repr_html_(self) -> str:
        if not self.page.is_file():
            return f"<p>{escape(str(self.folder))} has no page: <code>invert report</code> draws it</p>"
        page = escape(self.page.read_text(encoding="utf-8"), quote=True)
        style = f"width: 100%; height: {self.height}px; border: 0; border-radius: 6px"
        # Its scripts run, and reach nothing of the notebook around them.
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="{style}"></iframe>'


def study(folder: str | Path, height: int = 900) -> Study:
    """The study in a folder. Raises `RequestError` where it holds none, or one that cannot be read."""
    if not (Path(folder) / "report.json").is_file():
        raise RequestError(f"{folder} holds no report.json: name a folder that `invert` wrote")
    return Study(Path(folder), read_report(Path(folder)), height)
