"""`--show`, at terminals that can do more and less."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest

ATTRIBUTES = b"\x1b[c"
"""What a terminal is asked: what can you do?"""


SIZE = struct.pack("HHHH", 40, 80, 800, 800)
"""Rows, columns, and both in pixels."""


def at_a_terminal(words: list[object], answer: bytes = b"", size: bytes = SIZE) -> str:
    """What the command writes to a terminal of that size that answers so."""
    command = [str(Path(sys.executable).parent / "invert"), *map(str, words)]
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="80", OMP_NUM_THREADS="1")
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    written = b""
    while True:
        try:
            some = os.read(terminal, 65_536)
        except OSError:  # it has ended
            break
        written += some
        if answer and ATTRIBUTES in some:
            os.write(terminal, answer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, written.decode(errors="replace")
    return written.decode(errors="replace")


@pytest.fixture
def study(own_network: str, tmp_path: Path) -> list[object]:
    words = ["--layer", "conv", "--class", "dog", "--prior", "none", "--steps", 2]
    return [own_network, *words, "--out", tmp_path / "out"]


def test_pictures_are_blocks_where_a_terminal_can_do_no_more(study: list[object]) -> None:
    shown = at_a_terminal([*study, "--show"])
    assert shown.count("▀") > 200 and "\x1bP" not in shown
    assert all(title in shown for title in ("grace_hopper.jpg", "conv none", "dog none"))


def test_pictures_are_graphics_where_a_terminal_says_so(study: list[object]) -> None:
    sixel = b"\x1b[?62;4;22c"
    shown = at_a_terminal([*study, "--show"], sixel)
    assert shown.count("\x1bP0;0;0q") == 3 and "▀" not in shown


def test_a_terminal_that_says_nothing_of_its_size_fails_no_run(study: list[object]) -> None:
    shown = at_a_terminal([*study, "--show"], size=bytes(8))
    assert "this terminal shows no pictures" in shown and "report: " in shown


def test_nothing_more_than_asked(study: list[object]) -> None:
    assert "▀" not in at_a_terminal(study)
