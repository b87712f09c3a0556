"""The two ways a request can end badly; the command line prints each as one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class InvertError(Exception):
    """An error whose message is one line for the user: what was wrong, and what would be right."""

    exit_status = 1


class RequestError(InvertError, ValueError):
    """The request cannot be understood or names what is not there (exit status 2)."""

    exit_status = 2


class RunError(InvertError, RuntimeError):
    """The request was sound, but it failed while running (exit status 1)."""


def one_line(error: BaseException) -> str:
    """What went wrong, in one line: our own errors in their words, others with their type."""
    text = " ".join(str(error).split())
    return text if text and isinstance(error, InvertError) else f"{type(error).__name__}: {text}".rstrip(": ")


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
