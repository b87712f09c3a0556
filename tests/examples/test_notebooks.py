"""The notebooks are those of the scripts, and run from a new kernel to the end."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
make = runpy.run_path(str(EXAMPLES / "make_notebooks.py"))
SCRIPTS = make["scripts"]()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_is_its_script(script: Path) -> None:
    made = EXAMPLES / "notebooks" / f"{script.stem}.ipynb"
    again = "make them again: python examples/make_notebooks.py"
    assert made.read_text(encoding="utf-8") == make["notebook"](script.read_text(encoding="utf-8")), again
    nbformat.validate(nbformat.read(made, as_version=4))


def test_there_is_no_other_notebook() -> None:
    found = {path.stem for path in (EXAMPLES / "notebooks").iterdir()}
    assert found == {path.stem for path in SCRIPTS} and len(found) >= 2


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
# Jupyter's own: an event loop of Windows' and sockets that it leaves to the interpreter.
@pytest.mark.filterwarnings("default")
def test_a_notebook_runs(script: Path, tmp_path: Path) -> None:
    text = (EXAMPLES / "notebooks" / f"{script.stem}.ipynb").read_text(encoding="utf-8")
    fewer, changed = re.subn(r"STEPS = \d+", "STEPS = 2", text)
    assert changed == 1
    done = NotebookClient(
        nbformat.reads(fewer, as_version=4), timeout=250, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("data:image/png;base64" in html for html in shown)
    if script.stem == "what_a_layer_keeps":
        assert any(html.startswith("<iframe srcdoc=") for html in shown)
