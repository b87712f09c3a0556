"""Files that appear whole or not at all, and the folder that a run writes (docs/files.md)."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from hashlib import sha256
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

    def run_folder(self, run_id: str) -> Path:
        return self.out / "runs" / run_id

    def request(self) -> dict[str, Any] | None:
        """The request that made this folder, or None where none did."""
        return read_json(self.out / "request.json")

    def write_request(self, request: Mapping[str, Any]) -> None:
        write_json(self.out / "request.json", request)

    def write_report(self, report: Mapping[str, Any]) -> Path:
        return write_json(self.out / "report.json", report)

    def record(self, run_id: str) -> dict[str, Any] | None:
        """The record of a run, or None where it has none: then the run is not finished."""
        return read_json(self.run_folder(run_id) / "record.json")

    def write_record(self, record: Mapping[str, Any]) -> None:
        """The last file of a run to be written."""
        write_json(self.run_folder(record["id"]) / "record.json", record)

    def write_trace(self, run_id: str, loss: Tensor, penalty: Tensor) -> str:
        trace = {
            "step": list(range(1, len(loss) + 1)),
            "loss": [_short(value) for value in loss.tolist()],
            "penalty": [_short(value) for value in penalty.tolist()],
        }
        return self._relative(write_json(self.run_folder(run_id) / "trace.json", trace, indent=None))

    def write_image(self, path: str, image: Tensor) -> str:
        """Save one image `(1, C, H, W)` in [0, 1] as 8-bit PNG under OUT; gives back `path`."""
        write_whole(self.out / path, lambda file: file.write(images.to_png(image)))
        return path

    def write_checkpoint(self, run_id: str, state: dict[str, Tensor], seeds: list[int]) -> None:
        content = safetensors.torch.save(state, {"seeds": json.dumps(seeds)})
        write_whole(self._checkpoint(run_id), lambda file: file.write(content))

    def checkpoint(self, run_id: str, seeds: list[int]) -> dict[str, Tensor] | None:
        """The state of these seeds when the run was last left off, or None."""
        path = self._checkpoint(run_id)
        if not path.exists():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("seeds") == json.dumps(seeds):
                    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (safetensors.SafetensorError, OSError):
            pass
        return None

    def drop_checkpoint(self, run_id: str) -> None:
        self._checkpoint(run_id).unlink(missing_ok=True)

    def _checkpoint(self, run_id: str) -> Path:
        return self.run_folder(run_id) / "checkpoint.safetensors"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.out).as_posix()


def write_whole(path: Path, write: Callable[[Any], object]) -> Path:
    """Write a file beside `path`, flush it to disk, and rename it: it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(0o666 & ~_umask())
        Path(beside).replace(path)
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        Path(beside).unlink(missing_ok=True)
    return path


def write_json(path: Path, value: Any, indent: int | None = 1) -> Path:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(path, lambda file: file.write(text.encode()))


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
    return clean if clean == text else f"{clean or 'x'}-{sha256(text.encode()).hexdigest()[:6]}"


def digest(tensor: Tensor) -> str:
    """SHA-256 of a tensor's values in fp32, with its shape."""
    array = tensor.detach().float().cpu().contiguous()
    return sha256(str(tuple(array.shape)).encode() + array.numpy().tobytes()).hexdigest()


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if abs(value) < float("inf") else None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
