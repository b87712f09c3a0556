"""Writes examples/notebooks/NAME.ipynb from examples/NAME.py: python examples/make_notebooks.py

A script that is to be a notebook as well is written in cells, divided by lines that are `# %%`; those of a
cell that begins with `# %% [markdown]` are prose. Editors that know such scripts run them cell by cell, too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
INSTALL = """\
import importlib.util

if importlib.util.find_spec("invert") is None:  # on Colab: upload a release's wheel first
    %pip install --quiet invert-*.whl"""


def cells(script: str) -> list[dict[str, Any]]:
    """The cells of a script; its docstring and the imports of the future stay out of them."""
    _, *parts = re.split(r"^# %%(.*)$\n", script, flags=re.M)
    made = [cell("code", INSTALL)]
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        if kind.strip() == "[markdown]":
            made.append(cell("markdown", re.sub(r"^# ?", "", body.strip(), flags=re.M)))
        elif body.strip():
            made.append(cell("code", body.strip()))
    # What it is about comes first, then what it needs.
    first = next((n for n, one in enumerate(made) if one["cell_type"] == "markdown"), None)
    return made if first is None else [made[first], *made[:first], *made[first + 1 :]]


def cell(kind: str, text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": lines, **code}


def notebook(script: str) -> str:
    found = cells(script)
    for number, one in enumerate(found):
        one["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": found, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def scripts() -> list[Path]:
    """The examples that are written in cells."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.py"))}
    return [path for path, text in texts.items() if re.search(r"^# %% \[markdown\]$", text, re.M)]


if __name__ == "__main__":
    (HERE / "notebooks").mkdir(exist_ok=True)
    for path in scripts():
        made = HERE / "notebooks" / f"{path.stem}.ipynb"
        made.write_text(notebook(path.read_text(encoding="utf-8")), encoding="utf-8")
        print(made)
