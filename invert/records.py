"""Files that appear whole or not at all, and the folder that a run writes (docs/files.md)."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from filelock import FileLock, Timeout
from torch import Tensor

from invert import images
from invert.errors import RequestError, RunError

SCHEMA = 1


class WriteError(RunError):
    """The disk would not take a file: the run cannot go on, but what was written stays readable."""


class Folder:
    """The folder OUT of a run, locked while it is open so that two runs do not mix.

    The lock is the operating system's: it ends with the process that holds it, however that ends.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        try:
            out.mkdir(parents=True, exist_ok=True)
            # Written to here first, so that an unwritable folder is found before any work is done.
            self._lock = FileLock(out / ".lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RequestError(
                f"{out} is being written by another run: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise RequestError(f"cannot write to --out {out}: {error.strerror or error}") from error

    def close(self) -> None:
        self._lock.release()

    def request(self) -> dict[str, Any] | None:
        """The request that made this folder, or None where it is new.

        Raises `RequestError` where the folder holds a report that no request says the origin of.
        """
        request = read_json(self.out / "request.json")
        if request is None and any((self.out / name).exists() for name in ("report.json", "runs")):
            raise RequestError(
                f"{self.out} holds a report and no request.json that made it: choose another --out"
            )
        return request

    def write_request(self, request: Mapping[str, Any]) -> None:
        """The first file of a folder to be written."""
        self._write("request.json", json_bytes(request))

    def write_report(self, report: Mapping[str, Any]) -> None:
        self._write("report.json", json_bytes(report))

    def record(self, run_id: str) -> dict[str, Any] | None:
        """The record of a run, or None where it has none, or one whose picture is gone."""
        record = read_json(self.out / "runs" / run_id / "record.json")
        if record is None or record.get("id") != run_id:
            return None
        image = record["files"]["image"]
        return record if image is None or (self.out / image).is_file() else None

    def write_record(self, record: Mapping[str, Any]) -> None:
        """The last file of a run to be written."""
        self._write(f"runs/{record['id']}/record.json", json_bytes(record))

    def write_trace(self, run_id: str, loss: Tensor, penalty: Tensor) -> str:
        trace = {
            "step": list(range(1, len(loss) + 1)),
            "loss": [_short(value) for value in loss.tolist()],
            "penalty": [_short(value) for value in penalty.tolist()],
        }
        return self._write(f"runs/{run_id}/trace.json", json_bytes(trace, indent=None))

    def write_image(self, path: str, image: Tensor) -> str:
        """Save one image `(1, C, H, W)` in [0, 1] as 8-bit PNG under OUT; gives back `path`."""
        return self._write(path, images.to_png(image))

    def write_checkpoint(self, run_id: str, state: dict[str, Tensor], seeds: list[int]) -> None:
        content = safetensors.torch.save(state, _checkpoint_of(seeds))
        self._write(_checkpoint(run_id), content)

    def checkpoint(self, run_id: str, seeds: list[int]) -> dict[str, Tensor] | None:
        """The state of these seeds when the run was last left off, or None where this version left none."""
        path = self.out / _checkpoint(run_id)
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                if file.metadata() == _checkpoint_of(seeds):
                    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (safetensors.SafetensorError, OSError):
            pass
        return None

    def drop_checkpoint(self, run_id: str) -> None:
        (self.out / _checkpoint(run_id)).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a run that was killed had written half of."""
        for part in self.out.rglob(".*.part"):
            part.unlink(missing_ok=True)

    def _write(self, path: str, content: bytes) -> str:
        """Write a file under OUT, following no link that leads out of it; gives back `path`."""
        target = self.out / path
        if not target.parent.resolve().is_relative_to(self.out.resolve()):
            raise WriteError(f"{target.parent} leads out of {self.out}, where nothing may be written")
        write_whole(target, content)
        return path


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
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def json_bytes(value: Any, indent: int | None = 1) -> bytes:
    """`value` as a file of JSON; what is no Unicode in the name of a file becomes a question mark."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace")


def write_json(path: Path, value: Any) -> Path:
    return write_whole(path, json_bytes(value))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None where there is no readable one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
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


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if abs(value) < float("inf") else None


def _checkpoint(run_id: str) -> str:
    return f"runs/{run_id}/checkpoint.safetensors"


def _checkpoint_of(seeds: list[int]) -> dict[str, str]:
    """What a checkpoint has to be of to be gone on from: other versions may compute other bits."""
    return {"seeds": json.dumps(seeds), "versions": f"invert {version('invert')}, torch {version('torch')}"}


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
