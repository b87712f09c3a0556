"""Builds folders as `invert` writes them: blurred and noisy photos stand for inversions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import cbook
from PIL import Image, ImageFilter

Json = dict[str, Any]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">&\"'</script><script>alert(1)</script>"
FACETS = ("luminance", "colour", "cycles.1-4", "cycles.4-8", "cycles.8-16", "cycles.16-32", "cycles.32-64")
PRIORS = ("dip", "tv", "none")


@dataclass
class Factory:
    """Writes one report: `feature` and `maximise` add runs, `write` puts `report.json` in place."""

    out: Path
    side: int = 64
    model: str = "squeezenet1_1"
    sha256: str = "ab" * 32
    status: str = "done"
    runs: list[Json] = field(default_factory=list)
    layers: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    measures: Json = field(default_factory=dict)

    def photo(self, name: str = "grace.jpg", turn: int = 0) -> str:
        ident = f"photo-{len(self.images)}"
        picture = base_photo(self.side).rotate(90 * turn)
        file = f"images/{ident}.png"
        save(picture, self.out / file)
        top5 = [
            {"index": 10 + n, "name": word, "probability": share}
            for n, (word, share) in enumerate(
                zip(("suit", HOSTILE, "bow tie", "wig", "cloak"), shares(5), strict=True)
            )
        ]
        digest = f"{turn:02d}" * 32
        self.images.append({"id": ident, "name": name, "sha256": digest, "file": file, "top5": top5})
        return ident

    def feature(
        self,
        layers: Sequence[str],
        priors: Sequence[str] = PRIORS,
        seeds: Sequence[int] = (0, 1),
        *,
        kept: bool = True,
        snapshots: Sequence[int] = (50, 200, 450),
        fail: tuple[str, str, int] | None = None,
        skip: tuple[str, str, int] | None = None,
    ) -> Factory:
        """Inversions of every photo: layers × priors × seeds."""
        if not self.images:
            self.photo()
        for depth, layer in enumerate(layers):
            for p, prior in enumerate(priors):
                ids = []
                for photo in self.images:
                    for seed in seeds:
                        if (layer, prior, seed) == skip:
                            continue
                        error = "RuntimeError: out of memory" if (layer, prior, seed) == fail else None
                        run = self._run(
                            objective="feature",
                            layer=layer,
                            prior=prior,
                            seed=seed,
                            image=photo["id"],
                            error=error,
                        )
                        if error is None:
                            picture = inverted(
                                Image.open(self.out / photo["file"]), depth / len(layers), p, seed
                            )
                            self._pictures(run, picture, snapshots)
                            run["feature_error"] = 0.002 * (depth + 1) ** 2 * (1 + p) * (1 + 0.1 * seed)
                            run["measures"] = {
                                "psnr": 28 - 3.1 * depth - 2 * p + 0.2 * seed,
                                "ssim": 0.95 / (1 + 0.5 * depth + 0.3 * p),
                                "same_top1": float(depth < 4 or p == 0),
                            }
                        ids.append(run["id"])
                row = row_of(layer, prior, depth, p, ids, kept, len(layers))
                if kept:
                    photos = [photo["id"] for photo in self.images]
                    row |= {"photos": len(photos), "seeds": len(seeds), "neutral": prior == "none"}
                    row["by_photo"] = {ident: of_photo(row, n) for n, ident in enumerate(photos)}
                self.layers.append(row)
        self.measures.update(descriptions(kept))
        return self

    def maximise(
        self, targets: Sequence[str], priors: Sequence[str] = PRIORS, seeds: Sequence[int] = (0, 1)
    ) -> Factory:
        """A gallery of classes."""
        for index, target in enumerate(targets):
            for p, prior in enumerate(priors):
                for seed in seeds:
                    run = self._run(
                        objective="class",
                        target=target,
                        target_index=index,
                        prior=prior,
                        seed=seed,
                        layer=None,
                    )
                    picture = inverted(base_photo(self.side).rotate(30 * index), 0.6, p, seed)
                    self._pictures(run, picture, (100, 300))
                    save(base_photo(self.side), self.out / "photos/best.png")
                    best = {"file": "photos/best.png", "name": HOSTILE, "score": 21.5}
                    save(base_photo(self.side).rotate(180), self.out / "photos/worst.png")
                    worst = {"file": "photos/worst.png", "name": "worst.jpg", "score": -4.5}
                    run["photos"] = {
                        "count": 50,
                        "skipped": 0,
                        "mean": 3.2,
                        "max": 21.5,
                        "highest": [best],
                        "lowest": [worst, best],
                        "of_class": {"by": "folder", "count": 5, "mean": 14.0, "max": 21.5},
                    }
                    run["measures"] = {"target_probability": 0.99 - 0.2 * p, "judge_rank": 3 + 200 * p}
        self.measures["target_probability"] = describe("probability of the target", "", [0, 1], "higher")
        self.measures["judge_rank"] = describe("rank for the judge", "rank", [1, 1000], "lower")
        return self

    def write(self) -> Path:
        """`report.json`; returns the folder."""
        names = [photo["name"] for photo in self.images]
        report = {
            "schema": 1,
            "tool": {
                "name": "invert",
                "version": "0.1.0",
                "python": "3.11.7",
                "torch": "2.13.0",
                "platform": "Linux",
            },
            "created": "2026-11-21T08:00:00Z",
            "status": self.status,
            "command": f"invert {self.model} --layer all --prior dip,tv,none --seeds 2",
            "request": {"layer": "all", "prior": "dip,tv,none", "image": names, "seeds": 2, "labels": None},
            "subject": {
                "model": self.model,
                "weights": "IMAGENET1K_V1",
                "sha256": self.sha256,
                "input": {
                    "shape": [3, self.side, self.side],
                    "mean": [0.485, 0.456, 0.406],
                    "std": [0.229, 0.224, 0.225],
                },
                "classes": 1000,
            },
            "images": self.images,
            "measures": self.measures,
            "runs": self.runs,
            "layers": self.layers,
        }
        (self.out / "report.json").write_text(json.dumps(report), encoding="utf-8")
        return self.out

    def _run(self, **known: Any) -> Json:
        ident = f"{len(self.runs):03d}-{known['prior']}-{known['seed']}"
        failed = known.get("error") is not None
        run = {
            "id": ident,
            "target": None,
            "target_index": None,
            "image": None,
            "error": None,
            "settings": {"steps": 500, "learning_rate": 0.01, "widths": [16, 32, 64], "skip": True},
            "steps": 0 if failed else 500,
            "seconds": 0.0 if failed else 12.5,
            "stopped": None if failed else "steps",
            "device": "cpu",
            "precision": "fp32",
            "parameters": 2_606_763,
            "feature_error": None,
            "measures": {},
            "top5": None if failed else self._top5(),
            "command": f"invert {self.model} --layer {known.get('layer')} --prior {known['prior']}"
            f" --seed {known['seed']}",
            "files": {"image": None, "trace": None, "record": f"runs/{ident}/record.json", "snapshots": []},
            **known,
        }
        self.runs.append(run)
        return run

    def _top5(self) -> list[Json]:
        words = (HOSTILE, "suit", "academic gown", "bow tie", "bell cote")
        return [
            {"index": n, "name": word, "probability": p}
            for n, (word, p) in enumerate(zip(words, shares(5), strict=True))
        ]

    def _pictures(self, run: Json, picture: Image.Image, snapshots: Sequence[int]) -> None:
        folder = f"runs/{run['id']}"
        noise = Image.fromarray(
            np.random.default_rng(run["seed"]).integers(90, 160, (self.side, self.side, 3), np.uint8)
        )
        save(picture, self.out / folder / "image.png")
        for step in snapshots:
            frame = Image.blend(noise, picture, step / 500)
            save(frame, self.out / folder / "snapshots" / f"{step:05d}.png")
        steps = np.arange(0, 501)
        trace = {
            "step": steps.tolist(),
            "loss": (np.exp(-steps / 90) + 0.004 + 0.001 * np.sin(steps)).tolist(),
            "penalty": (0.02 * np.exp(-steps / 300)).tolist() if run["prior"] == "tv" else [0.0] * 501,
        }
        (self.out / folder / "trace.json").write_text(json.dumps(trace), encoding="utf-8")
        run["files"] |= {
            "image": f"{folder}/image.png",
            "trace": f"{folder}/trace.json",
            "snapshots": [{"step": s, "file": f"{folder}/snapshots/{s:05d}.png"} for s in snapshots],
        }
        if run["objective"] == "feature" and run["prior"] == "dip":
            for part in ("original", "inversion"):
                save(picture.convert("L").convert("RGB"), self.out / folder / f"evidence-{part}.png")
            run["files"]["evidence"] = {p: f"{folder}/evidence-{p}.png" for p in ("original", "inversion")}
        (self.out / folder / "record.json").write_text(json.dumps(run), encoding="utf-8")


@cache
def base_photo(side: int) -> Image.Image:
    with cbook.get_sample_data("grace_hopper.jpg") as stream, Image.open(stream) as opened:
        return opened.convert("RGB").crop((40, 20, 500, 480)).resize((side, side), Image.Resampling.LANCZOS)


def inverted(photo: Image.Image, depth: float, prior: int, seed: int) -> Image.Image:
    """What an inversion might look like: the deeper, the blurrier; the weaker the prior, the noisier."""
    side = photo.width
    blurred = photo.convert("RGB").filter(ImageFilter.GaussianBlur(depth * side / 20 + 0.01))
    rng = np.random.default_rng(seed + 7 * prior)
    noise = rng.normal(0, (4, 10, 60)[prior % 3] * (0.3 + depth), (side, side, 3))
    grey = 128 + (np.asarray(blurred, float) - 128) * (1 - 0.25 * prior * depth)
    return Image.fromarray(np.uint8(np.clip(grey + noise, 0, 255)))


def row_of(layer: str, prior: str, depth: int, p: int, ids: list[str], kept: bool, count: int) -> Json:
    """A layer's row with shares that fall with depth, faster for finer facets."""
    measures: Json = {}
    spread: Json = {}
    for f, facet in enumerate(FACETS if kept else ()):
        fineness = (0.5, 0.3, 0.1, 0.5, 1.0, 2.0, 4.0)[f]
        share = float(np.exp(-fineness * (depth / count * 2.2 + 0.25 * p) - 0.02))
        rest = 1 - share
        measures |= {f"kept.{facet}": share, f"free.{facet}": 0.6 * rest, f"invented.{facet}": 0.4 * rest}
        measures |= {f"shown.{facet}": 0.3 + 0.7 * share, f"recovered.{facet}": share}
        spread[f"kept.{facet}"] = 0.05 * rest
    if kept:
        measures["place_kept"] = 1.5 + depth
    reading = f"Keeps outlines and place to {depth + 2} px; leaves fine texture free." if kept else None
    tiles = (
        [[max(0.0, 0.9 - 0.12 * depth - 0.03 * x - 0.02 * y) for x in range(6)] for y in range(6)]
        if kept
        else None
    )
    controls = (
        {"another photo": {"kept.luminance": 0.01}, "random weights": {"kept.luminance": 0.4}} if kept else {}
    )
    return {
        "layer": layer,
        "prior": prior,
        "depth": depth,
        "aliases": [f"relu{depth + 1}"],
        "type": "Conv2d",
        "shape": [64 * (depth + 1), 55, 55],
        "share": 1.29 / (depth + 1) ** 2,
        "runs": ids,
        "measures": measures,
        "spread": spread,
        "reading": reading,
        "tiles": tiles,
        "controls": controls,
    }


def of_photo(row: Json, number: int) -> Json:
    """A photo's part of a row: the second keeps half as much as the first, and so on."""
    kept = {name: value / (number + 1) for name, value in row["measures"].items() if name.startswith("kept.")}
    return {
        "measures": row["measures"] | kept,
        "reading": f"keeps what photo {number} keeps",
        "tiles": row["tiles"],
    }


def descriptions(kept: bool) -> Json:
    known = {
        "psnr": describe("PSNR", "dB", [0, None], "higher"),
        "ssim": describe("SSIM", "", [-1, 1], "higher"),
        "same_top1": describe("same top 1", "", [0, 1], "higher"),
    }
    for group in ("kept", "invented", "free", "shown", "recovered") if kept else ():
        known[group] = describe(f"{group}: a part of what is shown", "share of T", [0, 1], "neither")
    if kept:
        known["place_kept"] = describe("place kept", "px", [0, None], "lower")
    return known


def describe(title: str, unit: str, span: list[float | None], better: str) -> Json:
    return {
        "title": title,
        "unit": unit,
        "range": span,
        "better": better,
        "source": f"how {title} is computed, in one line",
    }


def shares(count: int) -> list[float]:
    return [0.6 / 2**n for n in range(count)]


def save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
