"""The two ways a request can end badly; the command line prints each as one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class InvertError(Exception):
    """An error whose message is one line for the user: what was wrong, and what would be right."""

    exit_status = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows under the cell: the line, not our frames (`%tb` still has those)."""
        return [f"{type(self).__name__}: {plain(str(self))}"]


class RequestError(InvertError, ValueError):
    """The request cannot be understood or names what is not there (exit status 2)."""

    exit_status = 2


class RunError(InvertError, RuntimeError):
    """The request was sound, but it failed while running (exit status 1)."""


class InvertWarning(UserWarning):
    """Something that the user should know and that stops nothing; one line."""


def one_line(error: BaseException) -> str:
    """What went wrong, in one line: our own errors in their words, others with their type."""
    try:
        text = plain(str(error))
    except Exception:  # the error's own words fail
        text = ""
    if text and isinstance(error, InvertError):
        return text
    return f"{plain(type(error).__name__, 100)}: {text}".rstrip(": ")


def plain(text: str, most: int = 1_000) -> str:
    """Text of any origin as it may go to a terminal: one line, not too long, and nothing that acts there.

    Characters that print nothing (escapes, marks that turn the direction of writing, halves of
    surrogates) are written as in Python: `\\x1b`. Of more than `most` characters the middle is left out.
    """
    if len(text) > most:
        left = most * 2 // 3
        text = f"{text[:left]} … ({len(text):,} characters) … {text[left - most :]}"
    text = " ".join(text.split())
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> RequestError:
    """The error for a name that is not there, with the nearest names that are."""
    known = [str(k) for k in known]
    near = _near(name, known)
    if near:
        advice = f"did you mean {' or '.join(near)}?"
    elif len(known) <= 12:
        advice = f"choose from {', '.join(known)}" if known else "there is none"
    else:
        advice = f"{len(known)} are known, such as {', '.join(known[:4])}"
    return RequestError(f"unknown {kind} {name!r}: {advice}{f' ({hint})' if hint else ''}")


def _near(name: str, known: list[str]) -> list[str]:
    """The nearest of the names: alike by their letters, or else short for them (`lr` for `learning_rate`)."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    alike = [difflib.SequenceMatcher(None, k, name).ratio() for k in near]
    near = [k for k, ratio in zip(near, alike, strict=True) if ratio > alike[0] - 0.15]
    short = name.lower()
    initials = [k for k in known if short == "".join(word[:1] for word in re.split(r"\W|_", k.lower()))]
    return near or initials[:3] or [k for k in known if short in k.lower()][:3]
