"""A report's runs, numbered, each with what it is called and the keys of its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from invert_reports.files import Json
from invert_reports.html.pictures import Album
from invert_reports.study import Cell, Study, target_name

REAL = ("highest", "lowest")
NOTES = {
    "not finite": "stopped: the loss was not finite",
    "interrupted": "interrupted",
    "did not move": "did not move: the picture says nothing",
}


class Contents:
    """Collects every picture of a report into an album, and knows which run shows which."""

    def __init__(self, report: Json, studies: Sequence[Study], album: Album) -> None:
        self.report, self.studies, self.album = report, studies, album
        self.runs = [run for study in studies for cell in study.cells() for run in cell.runs]
        self._numbers = {id(run): n for n, run in enumerate(self.runs)}
        self._names = {photo.get("id"): photo.get("name") for photo in report.get("images") or []}
        self._photos = {
            photo.get("id"): album.add(photo.get("file"), exact=True)
            for study in studies
            for photo in study.photos
        }
        self._finals = [album.add(_files(run).get("image")) for run in self.runs]
        self._evidence = [[album.add(name) for name in _evidence(run)] for run in self.runs]
        self._real = [
            {part: [album.add(photo.get("file")) for photo in real_photos(run, part)] for part in REAL}
            for run in self.runs
        ]
        self._films = [self._film(run) for run in self.runs]
        self._agreements = {
            (cell.key, photo): album.agreement(self._finals[self.number(run)] for run in runs)
            for study in studies
            for cell in study.cells()
            for photo, runs in by_photo(cell).items()
        }
        album.encode()

    def number(self, run: Json) -> int:
        return self._numbers[id(run)]

    # Keys of pictures, None where one is missing or does not fit the page

    def photo(self, photo: Json) -> str | None:
        return self._there(self._photos.get(photo.get("id")))

    def picture(self, run: Json) -> str | None:
        return self._there(self._finals[self.number(run)])

    def evidence(self, run: Json) -> list[str | None]:
        """For the original and for the inversion."""
        return [self._there(key) for key in self._evidence[self.number(run)]]

    def real(self, run: Json, part: str) -> list[tuple[str, str, Any]]:
        """The photos that drive a class or unit most (`highest`) or least: key, name and score."""
        keys = map(self.album.there, self._real[self.number(run)][part])
        known = zip(keys, real_photos(run, part), strict=True)
        return [(key, str(photo.get("name")), photo.get("score")) for key, photo in known if key]

    def film(self, run: Json) -> list[tuple[Any, str]]:
        """The snapshots that the page holds, as step and key."""
        frames = [(step, self._there(key)) for step, key in self._films[self.number(run)]]
        return [(step, key) for step, key in frames if key]

    def agreement(self, cell: Cell, photo: Any) -> str | None:
        return self._there(self._agreements.get((cell.key, photo)))

    def _there(self, key: str | None) -> str | None:
        return self.album.there(key)

    def _film(self, run: Json) -> list[tuple[Any, str | None]]:
        snapshots = [shot for shot in _files(run).get("snapshots") or [] if isinstance(shot, dict)]
        keys = self.album.film([shot.get("file") for shot in snapshots])
        return list(zip((shot.get("step") for shot in snapshots), keys, strict=True))

    # Words

    def photo_name(self, photo: object) -> str:
        return str(self._names.get(photo) or photo or "")

    def subject_of(self, run: Json) -> str:
        """The layer inverted, or the target driven up."""
        return str(run.get("layer")) if run.get("objective") == "feature" else target_name(run)

    def place(self, run: Json) -> str:
        return f"{self.subject_of(run)} · {run.get('prior')}"

    def alone(self, run: Json) -> str:
        """What tells a run from the others of its cell."""
        parts = [self.photo_name(run.get("image")), f"seed {run.get('seed')}"]
        return ", ".join(part for part in parts if part)

    def alt(self, run: Json) -> str:
        if run.get("objective") == "feature":
            seen = f"Inversion of {self.photo_name(run.get('image'))} from layer {run.get('layer')}"
        else:
            seen = f"Picture that maximises {run.get('objective')} {target_name(run)}"
        return f"{seen} with prior {run.get('prior')}, seed {run.get('seed')}"

    def note(self, run: Json | None) -> str:
        """Why there is no picture, or what is wrong with the one there is; empty if nothing is."""
        if run is None:
            return "not finished yet" if self.report.get("status") == "running" else "not run"
        if run.get("error"):
            return f"failed: {run['error']}"
        if self.picture(run) is None:
            return "picture missing"
        if run.get("reached") is False:
            return "did not reach the error asked for"
        return NOTES.get(str(run.get("stopped")), "")


def by_photo(cell: Cell) -> dict[Any, list[Json]]:
    photos: dict[Any, list[Json]] = {}
    for run in cell.runs:
        photos.setdefault(run.get("image"), []).append(run)
    return photos


def numbers_of(run: Json) -> Json:
    """A run's measures with its feature error, where the question arises."""
    known = dict(run.get("measures") or {})
    if run.get("objective") == "feature":
        known["feature_error"] = run.get("feature_error")
    elif known.get("feature_error") is None:
        known.pop("feature_error", None)
    return known


def real_photos(run: Json, part: str) -> list[Json]:
    known = (run.get("photos") or {}).get(part)
    return [photo for photo in known if isinstance(photo, dict)] if isinstance(known, list) else []


def top5(entry: Json) -> list[tuple[str, float | None]]:
    """The five most probable classes, by name; empty where they are not known."""
    known = entry.get("top5")
    if not isinstance(known, list):
        return []
    return [(str(c.get("name")), c.get("probability")) for c in known if isinstance(c, dict)]


def _files(run: Json) -> Json:
    return run.get("files") or {}


def _evidence(run: Json) -> list[Any]:
    known = _files(run).get("evidence") or {}
    return [known.get(part) for part in ("original", "inversion")]
