"""Seconds an iteration, peak memory and first losses: ours against the published loop, in one run.

    python benchmarks/iteration.py [--rounds 10] [--iterations 3] [--size 224] [--threads N]

Inverts AlexNet's fc6 (random weights: the arithmetic is the same) with the deep image prior's
published generator. Each variant is a process of its own, and the variants take turns, so that a
busy machine slows all of them alike; what is printed are ratios, with their spread over rounds.

The losses are compared along the published loop's own first steps. Left to themselves, two fp32
runs part at once: Adam's first steps are little more than the signs of the gradient, and beside
the kinks of the LeakyReLUs rounding alone changes the gradient by a percent. How far the published
loop parts from itself when only the memory layout of its input changes is printed beside ours.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

COMPARED = 20
"""How many first losses are compared."""

AGREEMENT = 1e-3


@dataclass(frozen=True)
class Variant:
    title: str
    fast: bool
    precision: str
    channels_last: bool = False


VARIANTS = {
    "published": Variant("the published loop", fast=False, precision="fp32"),
    "fp32": Variant("ours, fp32", fast=True, precision="fp32"),
    "bf16": Variant("ours, bf16", fast=True, precision="bf16"),
}


class Loop:
    """A loop that inverts AlexNet's fc6."""

    def __init__(self, variant: Variant, size: int) -> None:
        import torch
        from torch import nn
        from torch.nn import functional as F
        from torchvision.models import alexnet

        from priors.dip import DeepImagePrior

        rng = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        network = alexnet(weights=None).eval().requires_grad_(False)
        self.to_fc6 = nn.Sequential(network.features, network.avgpool, nn.Flatten(), network.classifier[1])
        blocks = torch.rand(1, 3, 8, 8, generator=rng)
        photo = F.interpolate(blocks, size=(size, size), mode="bicubic").clamp(0, 1)
        self.mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
        self.std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
        self.target = self.to_fc6((photo - self.mean) / self.std)
        self.half = variant.precision == "bf16"
        if self.half:
            self.to_fc6.bfloat16()  # once: autocast would convert fc6's 37 million weights at each step
        self.canvas = DeepImagePrior(fast=variant.fast).start((1, 3, size, size), rng)
        if variant.channels_last:
            z = self.canvas.get_buffer("z")
            z.data = z.contiguous(memory_format=torch.channels_last)
        self.adam = torch.optim.Adam(self.canvas.parameters(), lr=1e-3, fused=variant.fast)

    def loss(self) -> Tensor:
        import torch
        from torch.nn import functional as F

        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            features = self.to_fc6((self.canvas() - self.mean) / self.std)
        return F.mse_loss(features.float(), self.target)

    def step(self) -> float:
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        return loss.item()


def agreement(size: int) -> dict[str, float]:
    """The largest relative differences of the first losses: along one trajectory, and each on its own."""
    import torch

    plain, fast, followed, moved = (
        Loop(variant, size)
        for variant in (
            VARIANTS["published"],
            VARIANTS["fp32"],
            VARIANTS["fp32"],
            replace(VARIANTS["published"], channels_last=True),
        )
    )
    along, ours, itself = [], [], []
    for _ in range(COMPARED):
        followed.canvas.load_state_dict(plain.canvas.state_dict())
        with torch.no_grad():
            same_parameters = followed.loss().item()
        published = plain.step()
        along.append(abs(same_parameters - published) / published)
        ours.append(abs(fast.step() - published) / published)
        itself.append(abs(moved.step() - published) / published)
    return {"along": max(along), "ours": max(ours), "itself": max(itself)}


def work(variant: Variant, size: int, threads: int | None) -> None:
    """The process of one variant: reads a number of iterations, writes what they took, until told no more."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    loop = Loop(variant, size)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            loop.step()
        seconds = (time.perf_counter() - began) / int(line)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
        print(json.dumps({"seconds": seconds, "megabytes": megabytes}), flush=True)


class Worker:
    """A variant's process. The parent imports no torch: a child's peak memory starts at its parent's."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--worker", name, "--size", str(options.size)]
        if options.threads:
            command += ["--threads", str(options.threads)]
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


def compare(options: argparse.Namespace) -> bool:
    """Print the table; whether the fp32 losses agree."""
    workers = {name: Worker(name, options) for name in VARIANTS}
    for worker in workers.values():
        worker.run(2)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            rounds[name].append(worker.run(options.iterations))
    for worker in workers.values():
        worker.close()

    print(f"AlexNet fc6, {options.size} px, published generator; {options.rounds} rounds taken in turns")
    print(f"{'':20}  s/iteration  times fewer: median (range)  peak MB")
    for name, variant in VARIANTS.items():
        seconds = [result["seconds"] for result in rounds[name]]
        ratios = [p["seconds"] / s for p, s in zip(rounds["published"], seconds, strict=True)]
        megabytes = rounds[name][-1]["megabytes"]
        print(
            f"{variant.title:20}  {statistics.median(seconds):11.3f}  {spread(ratios):28}  {megabytes:7.0f}"
        )
    print(f"first {COMPARED} losses in fp32, largest relative difference to the published loop's:")
    differences = agreement(options.size)
    print(f"  ours along its trajectory         {differences['along']:.1e}  (at most {AGREEMENT:g})")
    print(f"  ours on its own                   {differences['ours']:.1e}")
    print(f"  itself in another memory layout   {differences['itself']:.1e}")
    return differences["along"] <= AGREEMENT


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="turns that each variant takes")
    parser.add_argument("--iterations", type=int, default=3, help="iterations a turn")
    parser.add_argument("--size", type=int, default=224, help="the classifier's input, in pixels")
    parser.add_argument("--threads", type=int, help="threads of each variant (default: PyTorch's)")
    parser.add_argument("--worker", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(VARIANTS[options.worker], options.size, options.threads)
        return 0
    return 0 if compare(options) else 1


if __name__ == "__main__":
    raise SystemExit(main())
