"""`invert report A B C --out DIR`: finished reports, put together on one page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from invert.errors import RequestError
from invert.files import write_whole
from invert_reports.files import REPORT, Json, inside, read_report
from invert_reports.html.contents import REAL, real_photos
from invert_reports.html.page import write_page

SOURCE = ("tool", "created", "status", "command", "request", "subject", "judge")


def merge(directories: Sequence[Path], out: Path) -> Path:
    """Merge reports into `out`, copying what they name, and write its page; returns the page's path.

    A run's id, and its folder, is prefixed by the name of the folder it came from. Photos with the
    same pixels become one. A single report merged into its own folder only has its page written anew.
    """
    folders = [Path(directory) for directory in directories]
    out = Path(out)
    if not folders:
        raise RequestError("nothing to merge: give at least one folder that holds a report")
    reports = [read_report(folder) for folder in folders]
    if [folder.resolve() for folder in folders] == [out.resolve()]:
        return write_page(out)
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise RequestError(f"cannot merge into {out}: it is one of the reports to merge; give another --out")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RequestError("cannot merge a report with itself: each folder can be given once")
    _clear(out)

    names = _unique([_slug(folder.resolve().name) for folder in folders])
    merged = _frame(reports, names)
    photos: dict[Any, str] = {}
    for folder, report, name in zip(folders, reports, names, strict=True):
        renamed = _merge_photos(merged, report, folder, out, name, photos)
        for part in ("runs", "controls"):
            merged[part] += [_copy_run(run, folder, out, name, renamed) for run in report.get(part) or []]
        merged["layers"] += [
            {**row, "source": name, "runs": [f"{name}-{run}" for run in row.get("runs") or []]}
            for row in report.get("layers") or []
        ]
        merged["measures"] = {**(report.get("measures") or {}), **merged["measures"]}
    write_whole(out / REPORT, _json(merged))
    return write_page(out)


def _frame(reports: Sequence[Json], names: Sequence[str]) -> Json:
    """The fields above the runs: the first report's, with every report's own under `sources`."""
    statuses = [report.get("status") for report in reports]
    worst = next((status for status in ("running", "interrupted", "failed") if status in statuses), "done")
    return {
        **{field: reports[0].get(field) for field in ("schema", *SOURCE)},
        "status": worst,
        "sources": [
            {"name": name, **{field: report.get(field) for field in SOURCE}}
            for name, report in zip(names, reports, strict=True)
        ],
        "images": [],
        "measures": {},
        "runs": [],
        "controls": [],
        "layers": [],
    }


def _merge_photos(
    merged: Json, report: Json, folder: Path, out: Path, name: str, photos: dict[Any, str]
) -> dict[Any, str]:
    """Copy the photos that are new by their digest; returns each old id's id in the merged report."""
    renamed = {}
    for photo in report.get("images") or []:
        digest = photo.get("sha256") or (name, photo.get("id"))
        if digest not in photos:
            photos[digest] = f"{name}-{photo.get('id')}"
            copied = _copy(folder, out, photo.get("file"), lambda path: f"images/{name}-{Path(path).name}")
            merged["images"].append({**photo, "id": photos[digest], "file": copied})
        renamed[photo.get("id")] = photos[digest]
    return renamed


def _copy_run(run: Json, folder: Path, out: Path, name: str, renamed: dict[Any, str]) -> Json:
    """Copy the files that a run names, and its record; returns its entry in the merged report."""
    ident = f"{name}-{run.get('id')}"
    own = f"runs/{run.get('id')}/"

    def moved(path: str) -> str:
        return f"runs/{ident}/{path.removeprefix(own) if path.startswith(own) else Path(path).name}"

    def copied(named: Any) -> Any:
        if isinstance(named, dict):
            return {key: value if key == "step" else copied(value) for key, value in named.items()}
        if isinstance(named, list):
            return [copied(value) for value in named]
        return _copy(folder, out, named, moved)

    image = run.get("image")
    entry = {
        **run,
        "id": ident,
        "source": name,
        "image": renamed.get(image, image),
        "files": copied(run.get("files") or {}),
    }
    if isinstance(run.get("photos"), dict):
        entry["photos"] = {**run["photos"]}
        for part in REAL:
            entry["photos"][part] = [
                {
                    **photo,
                    "file": _copy(folder, out, photo.get("file"), lambda p: f"photos/{name}-{Path(p).name}"),
                }
                for photo in real_photos(run, part)
            ]
    if isinstance(entry["files"].get("record"), str):
        write_whole(out / entry["files"]["record"], _json(entry))
    return entry


def _copy(folder: Path, out: Path, name: Any, moved: Callable[[str], str]) -> str | None:
    """Copy one file that a report names; None where it is missing or lies outside the report."""
    file = inside(folder, name)
    if file is None:
        return None
    target = out / moved(str(name))
    if not target.resolve().is_relative_to(out.resolve()):
        return None
    return write_whole(target, file.read_bytes()).relative_to(out).as_posix()


def _clear(out: Path) -> None:
    """Make room: `out` may be new, empty, or hold an earlier merge, whose runs and photos are removed."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise RequestError(f"cannot merge into {out}: it is a file; --out names a folder")
    if not (out / REPORT).is_file() or not read_report(out).get("sources"):
        raise RequestError(
            f"cannot merge into {out}: it holds something else; --out names a new or empty folder"
        )
    earlier = read_report(out)
    for run in [*earlier["runs"], *(earlier.get("controls") or [])]:
        if re.fullmatch(r"\w[\w.@,+-]*", str(run.get("id"))):
            shutil.rmtree(out / "runs" / str(run["id"]), ignore_errors=True)
    for photo in earlier.get("images") or []:
        file = inside(out, photo.get("file"))
        if file is not None:
            file.unlink()


def _slug(name: str) -> str:
    """A folder's name as a prefix; without a dash, so that where the prefix ends is never in doubt."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "report"


def _unique(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        unique, count = name, 2
        while unique in found:
            unique, count = f"{name}_{count}", count + 1
        found.append(unique)
    return found


def _json(value: Json) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
