"""What files and networks say reaches the terminal as plain text: no escape, no markup, no endless line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from invert.cli import main, terminal
from invert.errors import InvertWarning, RequestError, one_line, plain

EVIL = "\x1b[2J\x9b31m\u202e[red]x[/red]\x07\r\n:smile:\udc80"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_line_that_prints(text: str) -> None:
    assert plain(text).isprintable() and "\n" not in plain(text)
    if text.isprintable() and len(text) <= 1_000:
        assert plain(text).split() == text.split(), "what is harmless stays as it is"


def test_of_a_megabyte_both_ends_are_shown() -> None:
    told = plain(f"begins {'x' * 10**6} ends")
    assert told.startswith("begins") and told.endswith("ends") and len(told) < 1_100


def test_an_error_whose_own_words_fail_is_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert one_line(Mute()) == "Mute"
    assert one_line(RequestError(EVIL)).isprintable()


def test_tables_show_names_as_they_are() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        terminal.show_table([EVIL, "[bold]"], [[EVIL, "[/bold]"], ["all", 3]], title=EVIL)
    shown = output.getvalue()
    assert "[/bold]" in shown and "[red]x[/red]" in shown and ":smile:" in shown
    assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize("words", [["--weights", EVIL], ["--layer", EVIL], [EVIL], ["--set", EVIL]])
def test_errors_are_plain(own_network: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([own_network, *words, "--prior", "none", "--steps", "1"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told[:-1].isprintable()


def test_names_of_a_report_are_plain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"schema": 1, "runs": [{"steps": "\x1b[2J" * 10**5}]}))
    assert main(["report", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told[:-1].isprintable() and len(told) < 1_000


def test_only_our_own_warnings_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with terminal.own_warnings():
            warnings.warn("a library's", UserWarning, stacklevel=1)
            warnings.warn(f"ours {EVIL}", InvertWarning, stacklevel=1)
    told = capsys.readouterr().err
    assert told.startswith("invert: ours") and told.count("\n") == 1 and told[:-1].isprintable()


class Panic(BaseException):
    """What a library in another language raises."""


def test_what_is_no_exception_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def panics(words: list[str]) -> int:
        raise Panic("no\nway")

    monkeypatch.setattr("invert.cli._command", lambda words: panics)
    assert main(["x"]) == 1
    assert capsys.readouterr().err == "invert: error: Panic: no way (--debug shows where)\n"


def test_the_command_of_a_run_makes_it_again(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a photo whose name looks like an option, with a mean that begins with a minus."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40), (200, 90, 30)).save("-x.png")
    words = ["--layer", "conv", "--prior", "none", "--steps", "2", "--device", "cpu", "--quiet"]
    assert main([own_network, *words, "--image=-x.png", "--mean=-1,0.5,0.5", "--out", "a"]) == 0
    report = json.loads(Path("a/report.json").read_text(encoding="utf-8"))
    for n, command in enumerate((report["command"], report["runs"][0]["command"])):
        assert main([*shlex.split(command)[1:], "--out", str(n), "--quiet"]) == 0
        image = report["runs"][0]["files"]["image"]
        assert (tmp_path / str(n) / image).read_bytes() == (tmp_path / "a" / image).read_bytes()


@pytest.mark.parametrize("words", [("--help",), ("report", "OUT")])
def test_a_terminal_of_few_letters_is_told_all(words: tuple[str, ...], tmp_path: Path) -> None:
    """Of ASCII, or of a Windows code page: what it cannot show is written as in Python."""
    out = tmp_path / "\u03c0"
    out.mkdir()
    (out / "report.json").write_text(json.dumps({"schema": 1, "runs": []}))
    command = [sys.executable, "-m", "invert", *(str(out) if word == "OUT" else word for word in words)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "\\" in done.stdout
