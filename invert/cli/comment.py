"""A comparison as Markdown, to stand as a comment under a pull request."""

from __future__ import annotations

import re

from invert.cli.terminal import PATH
from invert.errors import plain
from invert.sweeps.compare import Change, ComparedRow, Comparison
from invert.sweeps.threshold import Judgement
from invert.sweeps.verdict import Verdict, told

MOST_ROWS = 30


def markdown(comparison: Comparison, found: Verdict, judgements: list[Judgement], command: str) -> str:
    """The verdict, a table of what changed beyond noise, and how to make it again."""
    first, *rest = found.lines
    lines = [f"**{_plain(first)}**", "", *(f"- {_plain(line)}" for line in rest)]
    lines += [f"- ⚠️ {_plain(caution)}" for caution in found.cautions]
    for judgement in judgements:
        lines += [f"- ❌ {_code(judgement.threshold.text)}: {_plain(line)}" for line in judgement.failures]
        if not judgement.failures:
            lines.append(
                f"- ✅ {_code(judgement.threshold.text)}: not so. {_plain('; '.join(judgement.floors))}"
            )
    marked = [*found.losses, *found.gains]
    if marked:
        lines += ["", "| layer | prior | number | A | B | change (95 %) |", "|---|---|---|--:|--:|--:|"]
        lines += [_row(row, change) for row, change in marked[:MOST_ROWS]]
        if len(marked) > MOST_ROWS:
            lines += ["", f"And {len(marked) - MOST_ROWS} more."]
    if found.looked_at:
        lines += ["", f"Beyond noise: {found.beyond}"]
    sides = [comparison.a.report.command, comparison.b.report.command]
    lines += [
        "",
        "<details><summary>How to make this again</summary>",
        "",
        *_block([*sides, command]),
        "</details>",
    ]
    return "\n".join(lines)


def _row(row: ComparedRow, change: Change) -> str:
    cells = [_code(row.name), _plain(row.a.prior), _code(change.name)]
    cells += [f"{value:.3g}" for value in change.shown if value is not None]
    return f"| {' | '.join([*cells, _plain(told(change))])} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line: names come from files, and mention nobody."""
    escaped = re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", plain(text))
    return escaped.replace("@", "&#64;")


def _code(text: str) -> str:
    text = plain(text)
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}".replace("|", "\\|")


def _block(lines: list[str]) -> list[str]:
    lines = [plain(line, PATH) for line in lines]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *lines, fence]
