"""A page of the documentation, done as it says.

- A fenced block behind a line that ends in `FILE`: is written to that file.
- ```python blocks run in order, in one namespace a page.
- ```console blocks run the commands behind their `$`; `invert …` in this process, where PyTorch is
  imported already.

Other fences (sh, text, …) are for reading. Runs take 2 steps and 2 seeds, whatever the page says.
"""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from invert import registry
from invert.cli import main

FENCE = re.compile(r"(?:`(?P<file>[\w.-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
FEWER = (re.compile(r"((?:--)?\b(?:steps|seeds)[ =])\d+"), r"\g<1>2")


class Block(NamedTuple):
    file: str | None
    language: str
    code: str
    line: int
    """Of the page, from 0: where the code begins."""


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        yield Block(match["file"], match["language"], match["code"], line)


def follow(page: Path, folder: Path) -> None:
    """Do what `page` says, in `folder`, which is the current directory."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.code)
        elif block.language == "python":
            # Blank lines in front, so that a traceback shows the line of the page.
            code = "\n" * block.line + FEWER[0].sub(FEWER[1], block.code)
            exec(compile(code, str(page), "exec"), scope)
        elif block.language == "console":
            for command in re.findall(r"^\$ (.*)", block.code, re.M):
                run(FEWER[0].sub(FEWER[1], command))


def run(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "invert":
        assert main(words) == 0, command
        return
    done = subprocess.run([program, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    importlib.invalidate_caches()
    registry._claims.cache_clear()  # what was installed is found by a new process; this one has looked before
