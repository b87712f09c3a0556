"""Seconds an iteration, peak memory and first losses: ours against the published loop, in one run.

    python benchmarks/iteration.py [--rounds 10] [--iterations 3] [--size 224] [--threads N]

Inverts AlexNet's fc6 (random weights: the arithmetic is the same) with the deep image prior's
published generator. Each variant is a process of its own, and the variants take turns, so that a
busy machine slows all of them alike; what is printed are ratios, with their spread over rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

COMPARED = 20
"""How many first losses are compared."""

AGREEMENT = 1e-3


@dataclass(frozen=True)
class Variant:
    title: str
    fast: bool
    precision: str


VARIANTS = {
    "published": Variant("the published loop", fast=False, precision="fp32"),
    "fp32": Variant("ours, fp32", fast=True, precision="fp32"),
    "bf16": Variant("ours, bf16", fast=True, precision="bf16"),
}


def iteration(variant: Variant, size: int) -> Callable[[], float]:
    """One iteration of `variant`, as a function that returns the loss."""
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torchvision.models import alexnet

    from priors.dip import DeepImagePrior

    rng = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = alexnet(weights=None).eval().requires_grad_(False)
    to_fc6 = nn.Sequential(network.features, network.avgpool, nn.Flatten(), network.classifier[1])
    photo = F.interpolate(torch.rand(1, 3, 8, 8, generator=rng), size=(size, size), mode="bicubic").clamp(
        0, 1
    )
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    target = to_fc6((photo - mean) / std)
    half = variant.precision == "bf16"
    if half:
        to_fc6.bfloat16()  # once: autocast would convert fc6's 37 million weights at each iteration
    canvas = DeepImagePrior(fast=variant.fast).start((1, 3, size, size), rng)
    adam = torch.optim.Adam(canvas.parameters(), lr=1e-3, fused=variant.fast)

    def step() -> float:
        adam.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            features = to_fc6((canvas() - mean) / std)
        loss = F.mse_loss(features.float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss.item()

    return step


def work(variant: Variant, size: int, threads: int | None) -> None:
    """The process of one variant: reads a number of iterations, writes what they took, until told no more."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    step = iteration(variant, size)
    for line in sys.stdin:
        began = time.perf_counter()
        losses = [step() for _ in range(int(line))]
        seconds = (time.perf_counter() - began) / len(losses)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        megabytes = peak / (2**20 if sys.platform == "darwin" else 2**10)
        print(json.dumps({"losses": losses, "seconds": seconds, "megabytes": megabytes}), flush=True)


class Worker:
    """A variant's process. This one stays small and imports no torch: a child's peak starts at its parent's."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--worker", name, "--size", str(options.size)]
        if options.threads:
            command += ["--threads", str(options.threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, iterations: int) -> dict[str, Any]:
        print(iterations, file=self._pipe(self.process.stdin), flush=True)
        answer = self._pipe(self.process.stdout).readline()
        if not answer:
            raise SystemExit(f"a variant's process ended with status {self.process.wait()}")
        result: dict[str, Any] = json.loads(answer)
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
    first = {name: worker.run(COMPARED)["losses"] for name, worker in workers.items()}
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            rounds[name].append(worker.run(options.iterations))
    for worker in workers.values():
        worker.close()

    print(f"AlexNet fc6, {options.size} px, published generator; {options.rounds} rounds taken in turns")
    print(f"{'':20}  s/iteration  times fewer, median (range)  peak MB  losses differ by")
    for name, variant in VARIANTS.items():
        seconds = [result["seconds"] for result in rounds[name]]
        ratios = [p["seconds"] / s for p, s in zip(rounds["published"], seconds, strict=True)]
        difference = max(abs(a - b) / b for a, b in zip(first[name], first["published"], strict=True))
        print(
            f"{variant.title:20}  {statistics.median(seconds):11.3f}  {spread(ratios):27}  "
            f"{rounds[name][-1]['megabytes']:7.0f}  {difference:.1e}"
        )
        if name == "fp32":
            agree = difference <= AGREEMENT
    print(f"first {COMPARED} losses in fp32 agree to {AGREEMENT:g}: {'yes' if agree else 'NO'}")
    return agree


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
