"""What restoring a picture takes, found out on a small one before it is begun."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.protocols import Prior, Shape, Stop

SIDE = 128
"""Of the picture on which it is found out, at most; larger ones take as much more as they have pixels."""
MOMENTS = 4
"""A parameter is held with its gradient and two moments of Adam."""
PICTURES = 12
"""So many pictures are held beside what the gradient needs: of the loss, kept, averaged, last."""


@dataclass(frozen=True)
class Cost:
    """Of one run: the memory that it takes beside what is there, and the time of a step."""

    bytes: float
    seconds: float


def cost(prior: Prior, shape: Shape, stops: Sequence[Stop] = (), device: str | torch.device = "cpu") -> Cost:
    """Of a step of `prior` for a picture of `shape`, without what looks at the picture, which is little."""
    channels, height, width = shape
    small = (channels, min(height, SIDE), min(width, SIDE))
    try:
        canvas = prior.start(small, [torch.Generator().manual_seed(0)]).to(device)
    except RequestError:  # it draws pictures of one size alone, as from a flash picture
        small = shape
        canvas = prior.start(small, [torch.Generator().manual_seed(0)]).to(device)
    noise = [torch.Generator(device).manual_seed(0)] if canvas.draws else None
    storages: dict[int, int] = {}

    def held(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    seconds = 0.0
    for _ in range(2):  # the first step makes what later ones find made
        began = time.perf_counter()
        storages.clear()
        with torch.autograd.graph.saved_tensors_hooks(held, lambda tensor: tensor):
            image = canvas(noise).float()
            total = (image.square().sum() + canvas.penalty(image).sum()).sum()
        total.backward()
        seconds = time.perf_counter() - began
    parameters = 4 * MOMENTS * sum(p.numel() for p in canvas.parameters())
    picture = 4 * channels * small[1] * small[2]
    pictures = picture * (PICTURES + sum(getattr(stop, "window", 0) for stop in stops))
    larger = height * width / (small[1] * small[2])
    grows = max(sum(storages.values()) - parameters / MOMENTS, 0) + pictures
    return Cost(parameters + grows * larger, seconds * larger)


def free(device: torch.device) -> float | None:
    """Bytes that can still be had; None where that cannot be told."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    return float(min([available, *_allowed()]))


def _allowed() -> list[int]:
    """What a container may still take, where it is bounded."""
    try:
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        return [max(int(most) - int(used), 0)]
    except (OSError, ValueError):
        return []
