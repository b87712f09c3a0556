"""The pictures of a page as data: URIs, each once, in as good a quality as the size of the page allows."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, features

from invert.errors import RequestError
from invert.pictures import own_bytes, read_own, to_rgb
from invert_reports.files import inside

BUDGET = 9_000_000
"""Bytes of pictures in a page, base64 included; with tables and scripts it stays under 10 MB."""

AGREE, DIFFER = np.array([247, 245, 239]), np.array([92, 20, 84])
LARGEST_SPREAD = 0.25
"""The standard deviation over seeds, of values in [0, 1], that the agreement map shows darkest."""

LARGEST_MAP = 1024
"""Pixels: the longer side of an agreement map at most."""

STRONGER = 4
"""By which factor a residual is shown."""

LOSSY = "WEBP" if features.check("webp") else "JPEG"


@dataclass(frozen=True)
class Level:
    """How pictures are embedded: a quality of None keeps the PNG file as it is."""

    final: int | None
    snapshot: int
    frames: int
    shrink: int = 1

    def __str__(self) -> str:
        finals = (
            "inversions losslessly (PNG)" if self.final is None else f"inversions as {LOSSY} {self.final}"
        )
        if not self.frames:
            return f"{finals}; snapshots left out for size"
        half = " at half size" if self.shrink > 1 else ""
        return f"{finals}; snapshots as {LOSSY} {self.snapshot}{half}, at most {self.frames} a run"


LEVELS = (
    Level(final=None, snapshot=90, frames=16),
    Level(final=92, snapshot=85, frames=12),
    Level(final=90, snapshot=75, frames=8),
    Level(final=88, snapshot=70, frames=6, shrink=2),
    Level(final=80, snapshot=60, frames=3, shrink=2),
    Level(final=70, snapshot=0, frames=0),
    Level(final=40, snapshot=0, frames=0),
)


@dataclass
class Album:
    """Collects the pictures a page names, then encodes them all at one level.

    `add` and `film` hand out keys at once. After `encode`, `uris` holds what could be read and
    fits, each picture once; `there` tells by which key, or that the page has to do without.
    """

    directory: Path
    budget: int = BUDGET
    uris: dict[str, str] = field(default_factory=dict)
    level: Level = LEVELS[0]
    _same: dict[str, str] = field(default_factory=dict)
    _keys: dict[Path, str] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)
    _exact: list[Path] = field(default_factory=list)
    _finals: list[Path] = field(default_factory=list)
    _films: list[list[Path]] = field(default_factory=list)

    def add(self, name: str | None, *, exact: bool = False) -> str | None:
        """The key of one picture; `exact` keeps it lossless at every level."""
        file = inside(self.directory, name)
        if file is None:
            return None
        if file not in self._keys:
            self._keys[file] = f"p{len(self._keys)}"
            (self._exact if exact else self._finals).append(file)
        return self._keys[file]

    def film(self, names: Sequence[str | None]) -> list[str | None]:
        """The keys of a run's snapshots, in order; some of them may be left out for size."""
        files = [inside(self.directory, name) for name in names]
        fresh = [file for file in files if file is not None and file not in self._keys]
        self._keys.update({file: f"p{len(self._keys) + n}" for n, file in enumerate(dict.fromkeys(fresh))})
        self._films.append(list(dict.fromkeys(fresh)))
        return [None if file is None else self._keys[file] for file in files]

    def agreement(self, keys: Iterable[str | None]) -> str | None:
        """The key of a map of where pictures (by their keys) agree; None where fewer than two can be read."""
        files = {key: file for file, key in self._keys.items()}
        known = tuple(sorted({files[key] for key in keys if key in files}))
        if len(known) < 2:
            return None
        uri = _agreement(tuple((str(file), *_stamp(file)) for file in known))
        if uri is None:
            return None
        key = f"a{len(self._same)}"
        self._hold(key, uri)
        return key

    def residual(self, observed: str | None, result: str | None) -> str | None:
        """The key of what one picture has more than another (by their keys), about mid-grey; None where they
        do not fit."""
        files = {key: file for file, key in self._keys.items()}
        if observed not in files or result not in files:
            return None
        uri = _residual(*(f for key in (observed, result) for f in (str(files[key]), *_stamp(files[key]))))
        if uri is None:
            return None
        key = f"r{len(self._same)}"
        self._hold(key, uri)
        return key

    def encode(self) -> None:
        """Encode everything at the best level whose size, judged from a sample, fits the budget."""
        spent = sum(map(len, self.uris.values()))
        for level in LEVELS:
            self.level = level
            if spent + self._estimate(level) <= self.budget:
                break
        for file, options in self._plan(self.level):
            uri = _uri(str(file), *_stamp(file), *options)
            if uri is not None:
                self._hold(self._keys[file], uri)

    def there(self, key: str | None) -> str | None:
        """The key under which `uris` holds the picture; None where it is missing or left out."""
        return self._same.get(key) if key else None

    def _hold(self, key: str, uri: str) -> None:
        # Layers share attribution maps of the original, and a run's last snapshot may be its result.
        first = self._first.setdefault(uri, key)
        self._same[key] = first
        self.uris[first] = uri

    def _plan(self, level: Level) -> list[tuple[Path, tuple[int | None, int]]]:
        exact = [(file, (None, 1)) for file in self._exact]
        finals = [(file, (level.final, 1)) for file in self._finals]
        frames = [frame for film in self._films for frame in _evenly(film, level.frames)]
        return [*exact, *finals, *((frame, (level.snapshot, level.shrink)) for frame in frames)]

    def _estimate(self, level: Level) -> float:
        """The size at a level: PNG files by their size, the rest from every n-th picture."""
        total = 0.0
        lossy: dict[tuple[int | None, int], list[Path]] = {}
        for file, options in self._plan(level):
            if options[0] is None:
                total += _stamp(file)[1] * 4 / 3
            else:
                lossy.setdefault(options, []).append(file)
        for options, files in lossy.items():
            sample = _evenly(files, 32)
            sizes = [len(_uri(str(file), *_stamp(file), *options) or "") for file in sample]
            total += 1.05 * len(files) * sum(sizes) / len(sizes)
        return total


def _evenly(items: list[Path], count: int) -> list[Path]:
    """At most `count` items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return items
    if count < 2:
        return items[:count]
    return [items[round(n * (len(items) - 1) / (count - 1))] for n in range(count)]


def _stamp(file: Path) -> tuple[int, int]:
    """What tells a rewritten file from the one encoded before."""
    try:
        status = file.stat()
    except OSError:
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


# The page is rewritten as each cell finishes: what was encoded for the last page is still good.
@lru_cache(maxsize=2048)
def _uri(file: str, _changed: int, _size: int, quality: int | None, shrink: int) -> str | None:
    """The picture as a data: URI, or None where it cannot be read."""
    try:
        if quality is None:
            return png_uri(Path(file))
        picture = to_rgb(read_own(file))
    except RequestError:
        return None
    if shrink > 1:
        picture = picture.reduce(shrink)
    return _encode(picture, quality)


@lru_cache(maxsize=1024)
def _agreement(stamps: tuple[tuple[str, int, int], ...]) -> str | None:
    try:
        return _encode(agreement_map([file for file, *_ in stamps]), 75)
    except Exception:  # unreadable, or pictures of different sizes
        return None


@lru_cache(maxsize=256)
def _residual(
    observed: str, _changed: int, _size: int, result: str, _result_changed: int, _result_size: int
) -> str | None:
    try:
        a, b = (np.asarray(to_rgb(read_own(file)), dtype=np.float32) for file in (observed, result))
        if a.shape != b.shape:
            return None
        return _encode(Image.fromarray(np.uint8(np.clip(128 + STRONGER * (a - b), 0, 255))), 90)
    except Exception:  # unreadable
        return None


def agreement_map(files: Sequence[str]) -> Image.Image:
    """Standard deviation over pictures, place by place: light where they agree, dark where they differ.

    Of large pictures at every n-th place alone, so that they all fit into memory.
    """
    stack = []
    for file in files:
        picture = to_rgb(read_own(file))
        every = -(-max(picture.size) // LARGEST_MAP)
        stack.append(np.asarray(picture)[::every, ::every].astype(np.float32) / 255)
    spread = np.sqrt(np.stack(stack).var(axis=0, ddof=1).mean(axis=-1, keepdims=True))
    share = np.clip(spread / LARGEST_SPREAD, 0, 1)
    return Image.fromarray(np.uint8(AGREE + share * (DIFFER - AGREE)))


def png_uri(file: Path) -> str:
    """A PNG that this tool wrote as a data: URI, as it is. Raises `RequestError` where it is none."""
    return _data_uri("png", own_bytes(file))


def _encode(picture: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, LOSSY, quality=quality)
    return _data_uri(LOSSY.lower(), buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
