"""Restoration of the published pictures, beside the published numbers: the tables of docs/restoration.md.

    python benchmarks/restoration.py ../shared/images OUT [--only denoise,jpeg] [--minutes 8]
    python benchmarks/restoration.py ../shared/images OUT --tables > docs/tables/restoration.md

Every run is one picture, one seed and the defaults of its task: the truth is looked at when a run is over,
and by the curve that says what its stop has lost. Run again with the same OUT it goes on where it was left
off, in the middle of a run too. Seconds are those of one core, in the loop alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from skimage.restoration import denoise_nl_means, inpaint_biharmonic
from torch import Tensor

import invert
from invert import images
from invert.engine.optimisation import Optimisation, Step, Stopped
from invert.engine.problem import Problem
from invert.floors.cosines import cosines
from invert.operators import resampling
from invert.operators.jpeg import Stored, levels
from invert.protocols import Stop
from invert.tasks import Wanted, find

SAVE = 20
"""Seconds between two checkpoints."""
LOOK = 10
"""Steps between two looks at the truth, for the curve."""
MOST_SEEDS = 5
Numbers = dict[str, float]


@dataclass
class Case:
    """A picture of a task: what is observed, the truth if there is one, what is measured of a result."""

    task: str
    name: str
    observation: Callable[[], invert.Observation]
    measure: Callable[[Tensor, invert.Observation], Numbers]
    floors: Mapping[str, Callable[[invert.Observation], Tensor]] = field(default_factory=dict)
    stops: Sequence[Stop] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.task}-{self.name}"

    @cached_property
    def bound(self) -> invert.Observation:
        return self.observation().bind(None)


# ---- the pictures


def cases(shared: Path, out: Path) -> Iterator[Case]:
    yield from denoising(shared / "dip_tables" / "denoising")
    yield text(shared / "dip" / "inpainting", out)
    yield from upscaling(shared / "set5", out)
    yield from inpainting(shared / "dip_tables" / "inpainting", out)
    yield from jpeg(shared, out)
    yield flash(shared / "dip" / "flash_no_flash", out)
    yield from holes(shared / "dip" / "inpainting", out)


def denoising(folder: Path) -> Iterator[Case]:
    published = {  # recomputed from the authors' files
        "hill": (32.09, 32.72, 31.49),
        "F16": (33.69, 32.67, 31.34),
        "lena": (32.56, 32.06, 30.88),
        "kodim03": (33.79, 34.03, 32.41),
    }
    for name, (dip, cbm3d, nlm) in published.items():

        def observation(name: str = name) -> invert.Observation:
            given = find("denoise").given(
                str(folder / f"{name}_noisy.png"), Wanted(truth=str(folder / f"{name}_GT.png"))
            )
            return given.observation

        yield Case(
            "denoise",
            name,
            observation,
            lambda image, bound: {"psnr": psnr(image, truth(bound))},
            {"non-local means": by_nlm, "sliding cosines": cosines},
            (invert.stop("discrepancy"),),
            published={"DIP": dip, "CBM3D": cbm3d, "NLM": nlm},
        )


def text(folder: Path, out: Path) -> Case:
    """4.3 % missing, in the shape of text."""

    def measure(image: Tensor, bound: invert.Observation) -> Numbers:
        return {
            "psnr_missing": psnr(image[:, :, ~known(bound)], truth(bound)[:, :, ~known(bound)]),
            "psnr": psnr(image, truth(bound)),
        }

    return Case(
        "text",
        "kate",
        lambda: invert.Observation(masked(folder / "kate_mask.png", out), whole(folder / "kate.png")),
        measure,
        {"biharmonic": biharmonic},
        (invert.stop("heldout"),),
        published={"DIP, 6,000 steps": 30.86},
    )


def upscaling(folder: Path, out: Path) -> Iterator[Case]:
    published = {"baby": 31.49, "bird": 31.80, "butterfly": 26.23, "head": 31.04, "woman": 28.93}
    for name, dip in published.items():

        def observation(name: str = name) -> invert.Observation:
            clean = whole(folder / f"{name}.png")
            height, width = (side - side % 32 for side in clean.shape[2:])
            top, left = (clean.shape[2] - height) // 2, (clean.shape[3] - width) // 2
            clean = clean[:, :, top : top + height, left : left + width]
            small = picture(clean).resize((width // 4, height // 4), Image.Resampling.LANCZOS)
            return invert.Observation(invert.operator("downsample", factor=4), clean, observed=of(small))

        yield Case(
            "x4",
            name,
            observation,
            lambda image, bound: {"psnr_y": psnr(inner(image), inner(truth(bound)))},
            {"bicubic": by_bicubic, "Lanczos, made to agree": by_lanczos},
            published={"DIP": dip},
        )


def inpainting(folder: Path, out: Path) -> Iterator[Case]:
    published = {"Cameraman256": 29.80, "house": 39.00, "barbara": 32.18, "boat": 33.04}
    for name, dip in published.items():

        def observation(name: str = name) -> invert.Observation:
            seen, clean = (np.array(Image.open(folder / f"{name}_{kind}.png")) for kind in ("masked", "GT"))
            mask = out / "masks" / f"{name}.png"
            Image.fromarray(np.where(seen == 0, 255, 0).astype("uint8")).save(mask)
            return invert.Observation(
                invert.operator("mask", file=str(mask)), grey(clean), observed=grey(seen)
            )

        yield Case(
            "inpaint",
            name,
            observation,
            lambda image, bound: {"psnr": psnr(image, truth(bound))},
            {"biharmonic": biharmonic},
            (invert.stop("heldout"),),
            published={"DIP, 11,000 steps": dip},
        )


def jpeg(shared: Path, out: Path) -> Iterator[Case]:
    files = {f"kodim{n}": shared / "kodak" / f"{n}.png" for n in ("01", "05", "23")}
    for name, clean in files.items():

        def observation(name: str = name, clean: Path = clean) -> invert.Observation:
            stored = out / "masks" / f"{name}.jpg"
            Image.open(clean).convert("RGB").save(stored, quality=10)
            operator = invert.operator("jpeg", file=str(stored))
            return invert.Observation(operator, whole(clean), observed=whole(stored))

        def measure(image: Tensor, bound: invert.Observation) -> Numbers:
            return {"psnr": psnr(image, truth(bound)), "coefficients": as_stored(image, bound)}

        yield Case(
            "jpeg",
            name,
            observation,
            measure,
            {"decoded": decoded, "means of 9": means_of_nine, "sliding cosines": cosines},
        )
    snail = shared / "dip" / "denoising" / "snail.jpg"
    yield Case(
        "jpeg",
        "snail",
        lambda: invert.Observation(invert.operator("jpeg", file=str(snail)), observed=whole(snail)),
        lambda image, bound: {"coefficients": as_stored(image, bound)},
    )


def flash(folder: Path, out: Path) -> Case:
    def observation() -> invert.Observation:
        Image.open(folder / "cave01_00_flash.jpg").save(out / "masks" / "flash.png")
        return invert.Observation(
            invert.operator("identity"), observed=whole(folder / "cave01_01_noflash.jpg")
        )

    return Case(
        "flash",
        "cave01",
        observation,
        lambda image, bound: {"psnr to the dark picture": psnr(image, bound.seen)},
        settings={"preset": "restoration-flash", "input_file": str(out / "masks" / "flash.png")},
    )


def holes(folder: Path, out: Path) -> Iterator[Case]:
    for name in ("library", "vase"):
        yield Case(
            "hole",
            name,
            lambda name=name: invert.Observation(  # type: ignore[misc]
                masked(folder / f"{name}_mask.png", out), whole(folder / f"{name}.png")
            ),
            lambda image, bound: {},
            stops=(invert.stop("heldout"),),
        )


def masked(file: Path, out: Path) -> invert.protocols.Operator:
    """By one of the authors' masks, which are white where a pixel is known."""
    mask = out / "masks" / file.name
    ImageOps.invert(Image.open(file).convert("L")).save(mask)
    return invert.operator("mask", file=str(mask))


# ---- what a second makes of them


def by_nlm(bound: invert.Observation) -> Tensor:
    sigma = noise(bound)
    pixels = bound.seen[0].movedim(0, -1).double().numpy()
    made = denoise_nl_means(
        pixels, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=False, channel_axis=-1
    )
    return torch.from_numpy(made).movedim(-1, 0)[None].float().clamp(0, 1)


def biharmonic(bound: invert.Observation) -> Tensor:
    pixels = bound.seen[0].movedim(0, -1).double().numpy()
    made = inpaint_biharmonic(pixels, ~known(bound).numpy(), channel_axis=-1)
    return bound.consistent(torch.from_numpy(made).movedim(-1, 0)[None].float().clamp(0, 1))


def by_bicubic(bound: invert.Observation) -> Tensor:
    return resized(bound, "bicubic").clamp(0, 1)


def by_lanczos(bound: invert.Observation) -> Tensor:
    return bound.consistent(resized(bound, "lanczos"))


def resized(bound: invert.Observation, kernel: str) -> Tensor:
    small, size = target(bound), truth(bound).shape[2:]
    rows, columns = (
        resampling.matrix(s, b, kernel).float() for s, b in zip(small.shape[2:], size, strict=True)
    )
    made: Tensor = rows @ small @ columns.T
    return made


def decoded(bound: invert.Observation) -> Tensor:
    return images.to_float(bound.observed)


def means_of_nine(bound: invert.Observation) -> Tensor:
    padded = torch.nn.functional.pad(decoded(bound), (1, 1, 1, 1), mode="replicate")
    return bound.consistent(torch.nn.functional.avg_pool2d(padded, 3, 1))


# ---- what is measured


def psnr(a: Tensor, b: Tensor) -> float:
    """Of `a` as an 8-bit file holds it."""
    return -10 * math.log10(float(((a.clamp(0, 1) * 255).round() / 255 - b).double().square().mean()))


def inner(image: Tensor) -> Tensor:
    """Y of BT.601 in studio swing, less the border that the tables leave out."""
    y = (image * torch.tensor([65.481, 128.553, 24.966])[:, None, None]).sum(1, keepdim=True) / 255
    return (y + 16 / 255)[..., 4:-5, 4:-5]


def as_stored(image: Tensor, bound: invert.Observation) -> float:
    """The share of the result's coefficients, of an 8-bit file of it, that are the file's own."""
    observer = bound.observer
    assert isinstance(observer, Stored)
    eight_bits = of(picture(image))
    mine, own = levels(observer, eight_bits), levels(observer, bound.consistent(eight_bits))
    return 1 - sum(int((a != b).sum()) for a, b in zip(mine, own, strict=True)) / len(observer.step)


def truth(bound: invert.Observation) -> Tensor:
    assert isinstance(bound.photo, Tensor)
    return bound.photo


def target(bound: invert.Observation) -> Tensor:
    assert bound.target is not None
    return bound.target


def noise(bound: invert.Observation) -> float:
    assert bound.observer is not None
    return bound.observer.noise_level(target(bound))


def known(bound: invert.Observation) -> Tensor:
    assert bound.observer is not None
    return bound.observer.get_buffer("known")


def whole(file: Path) -> Tensor:
    return images.to_float(str(file))


def grey(values: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(values)[None, None].float() / 255


def of(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float() / 255


def picture(image: Tensor) -> Image.Image:
    pixels = (image[0].clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)


# ---- the runs


def run(case: Case, seed: int, out: Path, until: float) -> None:
    """Work on it until it is done or the time is over; what came of it is in OUT."""
    row, kept, state = (out / f"{case.id}-s{seed}{end}" for end in (".json", ".pt", ".state"))
    if row.exists():
        return
    problem = Problem.pose(None, case.bound, invert.prior("dip", **case.settings))
    optimisation = problem.optimisation([seed], stops=case.stops)
    curve: dict[str, Numbers] = {}
    seconds = 0.0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        optimisation.restore(saved["state"])
        curve, seconds = json.loads(saved["curve"]), saved["seconds"]
    started, since = time.process_time(), time.monotonic()
    stopped = None
    for event in optimisation:
        if isinstance(event, Step):
            look(case, optimisation, event.step, curve)
            if time.monotonic() - since > SAVE or time.time() > until:
                since = time.monotonic()
                spent = seconds + time.process_time() - started
                torch.save(
                    {"state": optimisation.state(), "curve": json.dumps(curve), "seconds": spent}, state
                )
            if time.time() > until:
                return
        elif isinstance(event, Stopped):
            stopped = event
    assert stopped is not None
    torch.save(stopped.best, kept)
    image = case.bound.finished(stopped.best)
    picture(image).save(out / f"{case.id}-s{seed}.png")
    found: dict[str, Any] = {
        "task": case.task,
        "name": case.name,
        "seed": seed,
        "measures": case.measure(image, case.bound),
        "steps": stopped.steps[0],
        "stopped": stopped.reasons[0],
        "seconds": seconds + time.process_time() - started,
        "curve": curve,
        "noise": noise(case.bound),
    }
    row.write_text(json.dumps(found, indent=1))
    state.unlink(missing_ok=True)
    print(
        case.id,
        seed,
        found["measures"],
        found["steps"],
        found["stopped"],
        f"{found['seconds']:.0f} s",
        flush=True,
    )


def look(case: Case, optimisation: Optimisation, step: int, curve: dict[str, Numbers]) -> None:
    if step % LOOK == 0 and case.bound.photo is not None and case.task != "jpeg":
        average = optimisation.keeper.picture
        bare = psnr(average, truth(case.bound)) if case.task == "denoise" else math.nan
        made = case.measure(case.bound.finished(average), case.bound)
        curve[str(step)] = made if math.isnan(bare) else made | {"average": bare}


def floors(case: Case, out: Path) -> dict[str, Any]:
    file = out / f"{case.id}-floors.json"
    if not file.exists():
        made = {}
        for name, method in case.floors.items():
            started = time.process_time()
            image = method(case.bound)
            seconds = time.process_time() - started
            made[name] = {"measures": case.measure(image, case.bound), "seconds": seconds}
            picture(image).save(out / f"{case.id}-{name.replace(' ', '-')}.png")
        file.write_text(json.dumps(made, indent=1))
        print(case.id, {name: row["measures"] for name, row in made.items()}, flush=True)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


# ---- the tables


HEADLINES = {"text": "psnr_missing", "x4": "psnr_y"}
TITLES = {
    "denoise": "Denoising, σ 25 (estimated from the file), PSNR of RGB",
    "text": "Text mask, 4.3 % missing, PSNR in the hole",
    "x4": "Super-resolution × 4, Set5, PSNR of Y as in the tables",
    "inpaint": "Half of the pixels missing, grey, PSNR",
    "jpeg": "JPEG of quality 10, PSNR of RGB",
}


def tables(every: Sequence[Case], out: Path) -> str:
    """Every case that has a truth, as Markdown; what was not run is said to be."""
    text = []
    for task, title in TITLES.items():
        of_task = [case for case in every if case.task == task and (task != "jpeg" or case.name != "snail")]
        lines: dict[str, list[float | None]] = {}
        for case in of_task:
            cells = dict(case.published)
            cells = {f"published: {name}": value for name, value in cells.items()}
            cells |= {
                f"floor: {n}": value_of(row, task) for n, row in saved(out / f"{case.id}-floors.json").items()
            }
            cells |= {f"ours: {name}": value for name, value in ours(case, out).items()}
            for name in [*lines, *cells]:
                column = lines.setdefault(name, [])
                column += [None] * (of_task.index(case) + 1 - len(column))
                if name in cells:
                    column[of_task.index(case)] = cells[name]
        header = [case.name for case in of_task]
        text += [
            f"**{title}**",
            "",
            "| | " + " | ".join([*header, "mean"]) + " |",
            "|---" * (len(header) + 2) + "|",
        ]
        for name, values in lines.items():
            numbers = [
                "not run"
                if v is None
                else f"{v:.0f}"
                if name in ("ours: seconds", "ours: steps")
                else f"{v:.2f}"
                for v in values
            ]
            full = [v for v in values if v is not None]
            mean = f"{sum(full) / len(full):.2f}" if len(full) == len(values) else "–"
            text.append("| " + " | ".join([name, *numbers, mean]) + " |")
        text.append("")
    return "\n".join(text)


def ours(case: Case, out: Path) -> dict[str, float]:
    """Of each seed, and of their mean; what is done to a result is done anew, as it is now."""
    found: dict[str, float] = {}
    kept: list[Tensor] = []
    for seed in range(MOST_SEEDS):
        row, file = saved(out / f"{case.id}-s{seed}.json"), out / f"{case.id}-s{seed}.pt"
        if not row:
            continue
        kept.append(torch.load(file, weights_only=True))
        found[f"seed {seed}"] = headline(case, case.bound.finished(kept[-1]))
        if seed == 0:
            if case.task in ("denoise", "jpeg"):
                found["seed 0, four fifths of it sliding cosines"] = headline(case, mixed(case, kept[0]))
            found |= {"steps": row["steps"], "seconds": row["seconds"]}
    if len(kept) > 1:
        found["mean of the seeds"] = headline(case, case.bound.finished(torch.stack(kept).mean(0)))
    return found


def mixed(case: Case, kept: Tensor) -> Tensor:
    """A result of the generator with `--set identity.cosines=0.8`, or jpeg's."""
    asked = case.observation()
    operator: Any = asked.operator
    return replace(asked, operator=replace(operator, cosines=0.8)).bind(None).finished(kept)


def headline(case: Case, image: Tensor) -> float:
    return value_of({"measures": case.measure(image, case.bound)}, case.task)


def value_of(row: Mapping[str, Any], task: str) -> float:
    return float(row["measures"][HEADLINES.get(task, "psnr")])


def saved(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", type=Path, help="the folder of dip_tables, dip, set5 and kodak")
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--only", default="", help="these tasks, or tasks with a picture (x4-bird), by commas"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="leave off after so long")
    parser.add_argument("--tables", action="store_true", help="print what is there, and run nothing")
    options = parser.parse_args()
    until = time.time() + 60 * options.minutes
    (options.out / "masks").mkdir(parents=True, exist_ok=True)
    every = list(cases(options.images, options.out))
    if options.tables:
        print(tables(every, options.out))
        return
    only = options.only.split(",") if options.only else []
    for case in every:
        if not only or case.task in only or case.id in only:
            floors(case, options.out)
            for seed in range(options.seeds):
                if time.time() < until:
                    run(case, seed, options.out, until)


if __name__ == "__main__":
    main()
