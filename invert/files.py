"""Files that appear whole or not at all, and names that are file names (docs/reliability.md)."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from invert.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

MOST_JSON = 2**28
"""Bytes of the largest report that is read: 10,000 runs take a fifth of it."""


class WriteError(RunError):
    """The disk would not take a file: the run cannot go on, but what was written stays readable."""


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file beside `path`, flush it to disk, and rename it: it appears whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _flush_names(path.parent)
    except (OSError, ValueError) as error:  # a name with a null byte is none
        raise WriteError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError, ValueError):
            beside.unlink(missing_ok=True)
    return path


@contextmanager
def open_regular(path: str | Path, most: int) -> Iterator[BinaryIO]:
    """A file of at most `most` bytes, open for reading: the only way in which others' files are opened.

    Raises `OSError` for anything but a regular file (a pipe would be waited for, `/dev/zero` never
    ends), and for a larger one.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, ValueError):  # a name with a null byte is none
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"{status.st_size:,} bytes, over {most:,}", str(path))
        with open(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_regular(path: str | Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes. Raises `OSError` as `open_regular` does."""
    with open_regular(path, most) as file:
        return file.read(most)


def followed(path: str | Path) -> Path:
    """Where a path leads, links followed; itself where it leads nowhere (a null byte, links in a circle)."""
    try:
        return Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        return Path(path)


def lies_in(folder: Path, path: str | Path) -> bool:
    """Whether a path, links followed, ends in `folder`."""
    return followed(path).is_relative_to(followed(folder))


def leftover_of(name: str) -> str | None:
    """The name of the file that a killed `write_whole` left this beside, or None where it is no such rest."""
    match = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.part", name, re.DOTALL)
    return match and match[1]


def json_bytes(value: Any, indent: int | None = 1, exact: bool = False) -> bytes:
    """`value` as a file of JSON; what is no Unicode in the name of a file becomes a question mark.

    Where it is to be read back as it was (`exact`), an escape instead, which is JSON all the same.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace" if exact else "replace")


def write_json(path: Path, value: Any) -> Path:
    return write_whole(path, json_bytes(value))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None where there is no readable one."""
    try:
        value = json.loads(read_regular(path, MOST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def slug(text: str) -> str:
    """`text` as a file name: letters, digits, dot, dash, underscore; with a digest where changed."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60]
    if clean and clean == text:
        return clean
    return f"{clean or 'x'}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def unique(names: Iterable[str]) -> list[str]:
    """`names` with a number behind those that were there before, whatever the case of their letters."""
    found: dict[str, str] = {}
    for name in names:
        candidate, count = name, 1
        while candidate.casefold() in found:
            count += 1
            candidate = f"{name}-{count}"
        found[candidate.casefold()] = candidate
    return list(found.values())


def digest(tensor: Tensor) -> str:
    """SHA-256 of a tensor's values in fp32, with its shape."""
    array = tensor.detach().float().cpu().contiguous()
    return sha256(str(tuple(array.shape)).encode() + array.numpy().tobytes()).hexdigest()


def _flush_names(folder: Path) -> None:
    """Flush a folder's list of names, so that files survive a power cut in the order they were renamed."""
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    with suppress(OSError):  # nor can it be flushed on every file system
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
