"""Published weights, or within seconds the news that they cannot be had.

The clients behind torchvision and timm wait and retry for up to minutes when the network is
gone. So whether the server answers is asked first, with a deadline; a download then takes as long
as it takes.
"""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from invert.errors import RunError

DEADLINE = 20.0
"""Seconds that a server has to answer at all."""

STALLED = 60.0
"""Seconds without a byte after which a download is given up."""


def unavailable(name: str, reason: BaseException | str) -> RunError:
    """The error that says what else can be done where the weights of `name` cannot be downloaded."""
    if isinstance(reason, urllib.error.URLError):
        reason = str(reason.reason)
    text = (str(reason).strip() or type(reason).__name__).splitlines()[0][:120]
    return RunError(
        f"cannot download the published weights of {name} ({text}): give --weights FILE, "
        "use the bundled alexnet-mini, or try again when online"
    )


def require_answer(ask: Callable[[], object], name: str) -> None:
    """Return once `ask` has an answer; raise `RunError` if it fails or takes longer than `DEADLINE`."""
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            ask()
        except BaseException as error:
            failures.append(error)

    # Name resolution takes no timeout, so the deadline is kept from outside, by a thread left behind.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    if thread.is_alive():
        raise unavailable(name, f"no answer within {DEADLINE:.0f} s")
    if failures:
        raise unavailable(name, failures[0])


def answers(url: str) -> None:
    """Ask for the head of `url`; an HTTP error is an answer too. Raises `OSError`."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=DEADLINE / 2):
            return
    except urllib.error.HTTPError as error:
        error.close()


@contextmanager
def giving_up_when_stalled() -> Iterator[None]:
    """Within, a connection that stays silent for `STALLED` seconds fails (urllib would wait for ever)."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
