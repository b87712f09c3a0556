"""A report's runs, numbered, each with what it is called and the keys of its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from invert.report import Numbers, Record, Report, ReportedPhoto, ScoredPhoto
from invert_reports.html.pictures import Album
from invert_reports.html.vocabulary import OWN
from invert_reports.study import Crossing, NetworkStudy, target_name

REAL = ("highest", "lowest")
NOTES = {
    "not finite": "stopped: the loss was not finite",
    "interrupted": "interrupted",
    "did not move": "did not move: the picture says nothing",
}


class Contents:
    """Collects every picture of a report into an album, and knows which run shows which."""

    def __init__(self, report: Report, studies: Sequence[NetworkStudy], album: Album) -> None:
        self.report, self.studies, self.album = report, studies, album
        self.runs = [run for study in studies for crossing in study.crossings() for run in crossing.runs]
        self._numbers = {id(run): n for n, run in enumerate(self.runs)}
        self._names = {photo.id: photo.name for photo in report.images}
        self._photos = {
            photo.id: album.add(photo.file, exact=True) for study in studies for photo in study.photos
        }
        self._finals = [album.add(run.files.image) for run in self.runs]
        self._attributions = [[album.add(name) for name in _attributions(run)] for run in self.runs]
        self._real = [
            {part: [album.add(photo.file) for photo in real_photos(run, part)] for part in REAL}
            for run in self.runs
        ]
        self._films = [self._film(run) for run in self.runs]
        self._agreements = {
            (crossing.key, photo): album.agreement(self._finals[self.number(run)] for run in runs)
            for study in studies
            for crossing in study.crossings()
            for photo, runs in by_photo(crossing).items()
        }
        album.encode()

    def number(self, run: Record) -> int:
        return self._numbers[id(run)]

    # Keys of pictures, None where one is missing or does not fit the page

    def photo(self, photo: ReportedPhoto) -> str | None:
        return self._there(self._photos.get(photo.id))

    def picture(self, run: Record) -> str | None:
        return self._there(self._finals[self.number(run)])

    def attributions(self, run: Record) -> list[str | None]:
        """For the original and for the inversion."""
        return [self._there(key) for key in self._attributions[self.number(run)]]

    def real(self, run: Record, part: str) -> list[tuple[str, str, float | None]]:
        """The photos that drive a class or unit most (`highest`) or least: key, name and score."""
        keys = map(self.album.there, self._real[self.number(run)][part])
        known = zip(keys, real_photos(run, part), strict=True)
        return [(key, photo.name, photo.score) for key, photo in known if key]

    def film(self, run: Record) -> list[tuple[int, str]]:
        """The snapshots that the page holds, as step and key."""
        frames = [(step, self._there(key)) for step, key in self._films[self.number(run)]]
        return [(step, key) for step, key in frames if key]

    def agreement(self, crossing: Crossing, photo: str | None) -> str | None:
        return self._there(self._agreements.get((crossing.key, photo)))

    def _there(self, key: str | None) -> str | None:
        return self.album.there(key)

    def _film(self, run: Record) -> list[tuple[int, str | None]]:
        keys = self.album.film([shot.file for shot in run.files.snapshots])
        return [(shot.step, key) for shot, key in zip(run.files.snapshots, keys, strict=True)]

    # Words

    def photo_name(self, photo: str | None) -> str:
        return self._names.get(photo or "") or photo or ""

    def subject_of(self, run: Record) -> str:
        """The layer inverted, or the target driven up."""
        return run.layer or "" if run.objective == "feature" else target_name(run)

    def place(self, run: Record) -> str:
        return f"{self.subject_of(run)} · {run.prior}"

    def alone(self, run: Record) -> str:
        """What tells a run from the others of its crossing."""
        parts = [self.photo_name(run.image), f"seed {run.seed}"]
        return ", ".join(part for part in parts if part)

    def alt(self, run: Record) -> str:
        if run.posed is not None:
            of = f" for {self.photo_name(run.image)}" if run.image else ""
            seen = f"Picture by the objective {run.posed.name}{of}"
        elif run.objective == "feature":
            seen = f"Inversion of {self.photo_name(run.image)} from layer {run.layer}"
        else:
            seen = f"Picture that maximises {run.objective} {target_name(run)}"
        return f"{seen} with prior {run.prior}, seed {run.seed}"

    def note(self, run: Record | None) -> str:
        """Why there is no picture, or what is wrong with the one there is; empty if nothing is."""
        if run is None:
            return "not finished yet" if self.report.status == "running" else "not run"
        if run.error:
            return f"failed: {run.error}"
        if self.picture(run) is None:
            return "picture missing"
        if run.reached is False:
            return "did not reach the error asked for"
        return NOTES.get(run.stopped or "", "")


def by_photo(crossing: Crossing) -> dict[str | None, list[Record]]:
    photos: dict[str | None, list[Record]] = {}
    for run in crossing.runs:
        photos.setdefault(run.image, []).append(run)
    return photos


def numbers_of(run: Record) -> Numbers:
    """A run's measures with its feature error, where the question arises."""
    known = {name: value for name, value in run.measures.items() if name != OWN}
    if run.objective == "feature" or run.feature_error is not None:
        known[OWN] = run.feature_error
    return known


def real_photos(run: Record, part: str) -> list[ScoredPhoto]:
    if run.photos is None:
        return []
    return run.photos.highest if part == "highest" else run.photos.lowest


def _attributions(run: Record) -> list[str | None]:
    known = run.files.evidence
    return [None, None] if known is None else [known.original, known.inversion]
