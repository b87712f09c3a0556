"""Seconds an iteration, peak memory and first losses: ours against the published loop, in one run.

    python benchmarks/iteration.py [--prior dip,tv,none] [--rounds 10] [--iterations 3] [--threads N]
    python benchmarks/iteration.py squeezenet1_1 --weights random --layer features.12

Inverts a layer (AlexNet's fc6 by default, with random weights: the arithmetic is the same). Each
variant is a process of its own, and the variants take turns, so that a busy machine slows all of
them alike; what is printed are ratios, with their spread over rounds.

The losses of `dip` are compared in fp32 along the published loop's own first steps. Left to
themselves, two fp32 runs part at once: Adam's first steps are little more than the signs of the
gradient, and beside the kinks of the LeakyReLUs rounding alone changes the gradient by a percent.
How far the published loop parts from itself when only the memory layout of its input changes is
printed beside ours; and so is how far the two run apart, each on its own, in float64.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from published import PublishedLoop
    from torch import Tensor

    from invert import Subject

COMPARED = 20
"""How many first losses are compared."""

AGREEMENT = 1e-3

VARIANTS = {"published": "the published loop", "fp32": "ours, fp32", "bf16": "ours, bf16"}


def scene(options: argparse.Namespace) -> tuple[Subject, str, Tensor]:
    """The network, the layer, and a picture of soft blocks."""
    import torch
    from torch.nn import functional as F

    import invert

    torch.manual_seed(0)
    subject = invert.load(options.model, weights=options.weights, size=options.size).to(options.device)
    blocks = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    photo = F.interpolate(blocks, size=subject.input_shape[1:], mode="bicubic").clamp(0, 1)
    return subject, options.layer, photo.to(options.device)


def published_steps(options: argparse.Namespace, prior: str) -> Iterator[None]:
    from published import PublishedLoop

    loop = PublishedLoop(*scene(options), prior)
    while True:
        loop.step()
        yield


def own_steps(options: argparse.Namespace, prior: str, precision: str) -> Iterator[None]:
    """The loop of `invert.run` itself."""
    import invert
    from invert.engine.optimisation import Step
    from invert.engine.problem import Problem

    subject, layer, photo = scene(options)
    problem = Problem.pose(subject, invert.FeatureMatch(layer, photo), invert.prior(prior))
    for event in problem.optimisation([0], steps=100_000, precision=precision):
        if isinstance(event, Step):
            yield


def agreement(options: argparse.Namespace) -> dict[str, float]:
    """The largest relative differences of the first losses: along one trajectory, and each on its own."""
    import torch
    from published import PublishedLoop

    from invert_priors.dip import DeepImagePrior

    subject, layer, photo = scene(options)

    def loop(fast: bool) -> PublishedLoop:
        made = PublishedLoop(subject, layer, photo, "dip")
        if fast:
            rng = torch.Generator().manual_seed(0)
            made.canvas = DeepImagePrior().start(subject.input_shape, [rng]).to(photo.device)
            made.adam = torch.optim.Adam(made.canvas.parameters(), lr=1e-3, fused=True)
        return made

    plain, fast, followed, moved = loop(False), loop(True), loop(True), loop(False)
    z = moved.canvas.get_buffer("z")
    z.data = z.contiguous(memory_format=torch.channels_last)
    along, ours, itself = [], [], []
    for _ in range(COMPARED):
        followed.canvas.load_state_dict(plain.canvas.state_dict())
        with torch.no_grad():
            same_parameters = float(followed.error(followed.canvas())) * followed.scale
        published = plain.step()
        along.append(abs(same_parameters - published) / published)
        ours.append(abs(fast.step() - published) / published)
        itself.append(abs(moved.step() - published) / published)
    subject.model.double()
    photo = photo.double()
    one, other = loop(False), loop(True)
    one.canvas.double(), other.canvas.double()
    exact = [abs(other.step() - reference) / reference for reference in (one.step() for _ in range(COMPARED))]
    return {"along": max(along), "ours": max(ours), "itself": max(itself), "float64": max(exact)}


def work(variant: str, prior: str, options: argparse.Namespace) -> None:
    """The process of one variant: reads a number of iterations, writes what they took, until told no more."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    steps = published_steps(options, prior) if variant == "published" else own_steps(options, prior, variant)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            next(steps)
        if options.device.startswith("cuda"):
            torch.cuda.synchronize(options.device)
        seconds = (time.perf_counter() - began) / int(line)
        print(json.dumps({"seconds": seconds, "megabytes": megabytes(options.device)}), flush=True)


def megabytes(device: str) -> float:
    """The most memory so far: of the process, or of the device."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.max_memory_reserved(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class Worker:
    """A variant's process. The parent imports no torch: a child's peak memory starts at its parent's."""

    def __init__(self, variant: str, prior: str) -> None:
        command = [sys.executable, *sys.argv, "--worker", f"{variant} {prior}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, iterations: int) -> dict[str, float]:
        print(iterations, file=self._pipe(self.process.stdin), flush=True)
        answer = self._pipe(self.process.stdout).readline()
        if not answer:
            raise SystemExit(f"a variant's process ended with status {self.process.wait()}")
        result: dict[str, float] = json.loads(answer)
        return result

    def close(self) -> None:
        self._pipe(self.process.stdin).close()
        self.process.wait()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):5.2f}  ({min(values):.2f} to {max(values):.2f})"


def compare(options: argparse.Namespace, prior: str) -> None:
    workers = {variant: Worker(variant, prior) for variant in VARIANTS}
    for worker in workers.values():
        worker.run(5)
    rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    for _ in range(options.rounds):
        for variant, worker in workers.items():
            rounds[variant].append(worker.run(options.iterations))
    for worker in workers.values():
        worker.close()
    print(f"{prior:20}  s/iteration  times fewer: median (range)  peak MB")
    for variant, title in VARIANTS.items():
        seconds = [result["seconds"] for result in rounds[variant]]
        ratios = [p["seconds"] / s for p, s in zip(rounds["published"], seconds, strict=True)]
        peak = rounds[variant][-1]["megabytes"]
        print(f"{title:20}  {statistics.median(seconds):11.3f}  {spread(ratios):28}  {peak:7.0f}", flush=True)


def print_agreement(differences: dict[str, float]) -> None:
    print(f"dip, first {COMPARED} losses, largest relative difference to the published loop's:")
    print(f"  ours along its trajectory                  {differences['along']:.1e}  (at most {AGREEMENT:g})")
    print(f"  ours on its own, in float64                {differences['float64']:.1e}")
    print(f"  ours on its own, in fp32                   {differences['ours']:.1e}")
    print(f"  itself in another memory layout, in fp32   {differences['itself']:.1e}")


def main() -> int:
    options = arguments()
    if options.worker:
        variant, prior = options.worker.split()
        work(variant, prior, options)
        return 0
    title = f"{options.model} {options.layer}, {options.size} px, {options.device}"
    print(f"{title}; {options.rounds} rounds in turns")
    priors = options.prior.split(",")
    for prior in priors:
        compare(options, prior)
    if "dip" not in priors:
        return 0
    differences = agreement(options)
    print_agreement(differences)
    return 0 if differences["along"] <= AGREEMENT else 1


def arguments() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="alexnet")
    parser.add_argument("--weights", default="random")
    parser.add_argument("--layer", default="fc6")
    parser.add_argument("--prior", default="dip")
    parser.add_argument("--rounds", type=int, default=10, help="turns that each variant takes")
    parser.add_argument("--iterations", type=int, default=3, help="iterations a turn")
    parser.add_argument("--size", type=int, default=224, help="the classifier's input, in pixels")
    parser.add_argument("--threads", type=int, help="threads of each variant (default: PyTorch's)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
