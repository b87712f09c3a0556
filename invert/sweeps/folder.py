"""The folder that a run writes (docs/files.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from invert import images
from invert.errors import RequestError
from invert.files import (
    WriteError,
    json_bytes,
    leftover_of,
    lies_in,
    open_regular,
    read_json,
    read_regular,
    write_whole,
)
from invert.pictures import BYTE_LIMIT
from invert.report import REPORT, LayerRow, Record, Report
from invert.sweeps.cells import Cell
from invert.sweeps.trust import is_record_of, is_trace
from invert.typed_json import load_object, read_as, to_json

MOST_CHECKPOINT = 2**34
"""Bytes of the largest checkpoint that is read: more than any device's memory holds of a canvas."""

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
WRITTEN = re.compile(
    r"(request|report|nulls|floors)\.json|report\.html|(runs|layers)\.csv"
    rf"|{_NAME}\.png"
    rf"|(images|images/(evidence|observed|floors|uncertainty)|photos)/{_NAME}\.png"
    rf"|runs/{_NAME}/(image\.png|evidence\.png|record\.json|trace\.json|checkpoint\.safetensors)"
    rf"|runs/{_NAME}/snapshots/\d{{5,}}\.png"
)
"""Every file that is written under OUT, by its path (docs/files.md)."""


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
        except (OSError, ValueError) as error:  # a name with a null byte is none
            reason = getattr(error, "strerror", None) or error
            raise RequestError(f"cannot write to --out {out}: {reason}") from error

    def close(self) -> None:
        self._lock.release()

    def request(self) -> dict[str, Any] | None:
        """The request that made this folder, or None where it is new.

        Raises `RequestError` where the folder holds a report that no request says the origin of.
        """
        request = read_json(self.out / "request.json")
        if request is None and any((self.out / name).exists() for name in (REPORT, "runs")):
            raise RequestError(
                f"{self.out} holds a report and no request.json that made it: choose another --out"
            )
        return request

    def write_request(self, request: Mapping[str, Any]) -> None:
        """The first file of a folder to be written."""
        self.write("request.json", json_bytes(request, exact=True))

    def write_report(self, report: Report, texts: dict[str, bytes] | None = None) -> None:
        """Write `report.json`; `texts` keeps what is written of each run and row for the next time."""
        texts = {} if texts is None else texts
        lists: dict[str, list[tuple[str, Record | LayerRow]]] = {
            "runs": [(run.id, run) for run in report.runs],
            "controls": [(run.id, run) for run in report.controls],
            "layers": [(row_key(row.layer, row.prior), row) for row in report.layers],
        }
        parts: list[bytes] = []
        rest = json_bytes(to_json(replace(report, runs=[], controls=[], layers=[])))
        for name, entries in lists.items():
            for key, entry in entries:
                if key not in texts:
                    texts[key] = json_bytes(to_json(entry)).rstrip().replace(b"\n", b"\n  ")
            head = f'\n "{name}": ['.encode()
            before, _, rest = rest.partition(head)
            inside = b",\n  ".join(texts[key] for key, _ in entries)
            parts += [before, head, b"\n  " + inside + b"\n " if entries else b""]
        self.write(REPORT, b"".join([*parts, rest]))

    def record(self, cell: Cell) -> Record | None:
        """The record of a cell; None where none is the cell's, with the picture and the trace it names."""
        file = self.out / "runs" / cell.id / "record.json"
        try:
            found = load_object(file)
            record = read_as(Record, file, found)
        except RequestError:
            return None
        if to_json(record) != found or not is_record_of(cell, record) or not self._holds_files_of(record):
            return None
        # As a study grows, another command may come to ask for the same cell.
        return replace(record, command=cell.request.command())

    def _holds_files_of(self, record: Record) -> bool:
        """Whether the files that a sound record names are there, the picture being its own."""
        files = record.files
        if files.image is None or files.trace is None:
            return files.image is files.trace
        try:
            image = read_regular(self.out / files.image, BYTE_LIMIT)
        except OSError:
            return False
        return (
            sha256(image).hexdigest() == record.sha256
            and is_trace(read_json(self.out / files.trace), record.steps)
            and all(shot.file and (self.out / shot.file).is_file() for shot in files.snapshots)
        )

    def nulls(self) -> dict[str, Any]:
        """The errors between unlike pictures that were computed before, by what they were made from."""
        return read_json(self.out / "nulls.json") or {}

    def write_nulls(self, nulls: Mapping[str, Any]) -> None:
        self.write("nulls.json", json_bytes(nulls, indent=None))

    def floors(self) -> dict[str, Any]:
        """What was made before by methods without a prior, by what it was made from."""
        return read_json(self.out / "floors.json") or {}

    def write_floors(self, floors: Mapping[str, Any]) -> None:
        self.write("floors.json", json_bytes(floors))

    def write_record(self, record: Record) -> None:
        """The last file of a run to be written."""
        self.write(f"runs/{record.id}/record.json", json_bytes(to_json(record)))

    def losses(self, run_id: str) -> list[float]:
        """The loss of each step of a run, as its trace tells it."""
        return losses_in(self.out, run_id)

    def write_image(self, path: str, image: Tensor) -> str:
        """Save one image `(1, C, H, W)` in [0, 1] as 8-bit PNG under OUT; gives back `path`."""
        return self.write(path, images.to_png(image))

    def write_checkpoint(self, run_id: str, state: dict[str, Tensor], of: str) -> None:
        """Where a run can be gone on with; `of` tells what is computed there from all else."""
        content = safetensors.torch.save(state, _checkpoint_of(of, state))
        self.write(_checkpoint(run_id), content)

    def checkpoint(self, run_id: str, of: str) -> dict[str, Tensor] | None:
        """The state in which a run was left off; None where none is whole and of this, by this version."""
        path = self.out / _checkpoint(run_id)
        try:
            with open_regular(path, MOST_CHECKPOINT), safetensors.safe_open(path, framework="pt") as file:
                said = file.metadata() or {}
                if {**said, "sha256": ""} != {**_checkpoint_of(of, {}), "sha256": ""}:
                    return None  # before a value of it is read
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return state if said == _checkpoint_of(of, state) else None
        except (safetensors.SafetensorError, OSError):
            return None

    def drop_checkpoint(self, run_id: str) -> None:
        with suppress(OSError):  # whatever else lies there is no checkpoint, and stays
            (self.out / _checkpoint(run_id)).unlink()

    def tidy(self) -> None:
        """Remove what a killed run had written half of: rests of this tool's own files, and nothing else."""
        if not (self.out / "request.json").is_file():
            return
        for folder, below, names in os.walk(self.out):  # follows no links
            if Path(folder) == self.out:
                below[:] = {"images", "photos", "runs"}.intersection(below)
            for name in names:
                written = leftover_of(name)
                path = Path(folder, name)
                if written and WRITTEN.fullmatch(path.with_name(written).relative_to(self.out).as_posix()):
                    path.unlink(missing_ok=True)

    def write(self, path: str, content: bytes) -> str:
        """Write a file under OUT, following no link that leads out of it; gives back `path`."""
        target = self.out / path
        if not lies_in(self.out, target.parent):
            raise WriteError(f"{target.parent} leads out of {self.out}, where nothing may be written")
        write_whole(target, content)
        return path


def row_key(layer: str, prior: str) -> str:
    """What tells a row from others, and from runs, whose ids hold no blanks."""
    return f"{layer} {prior}"


def losses_in(out: Path, run_id: str) -> list[float]:
    """`Folder.losses` of a folder that is not written to."""
    trace = read_json(out / "runs" / run_id / "trace.json") or {}
    losses = trace.get("loss")
    return [v for v in losses if isinstance(v, int | float)] if isinstance(losses, list) else []


def _checkpoint(run_id: str) -> str:
    return f"runs/{run_id}/checkpoint.safetensors"


def _checkpoint_of(of: str, state: Mapping[str, Tensor]) -> dict[str, str]:
    """What a checkpoint has to say of itself to be gone on from: other versions may compute other bits."""
    content = sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    versions = f"invert {version('invert')}, torch {version('torch')}"
    return {"of": of, "versions": versions, "sha256": content.hexdigest()}
