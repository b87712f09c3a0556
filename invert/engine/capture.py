"""Replay the optimisation step on CUDA without Python between its kernels.

A step is hundreds of small kernels, and launching them takes longer than they do. A CUDA graph
records them once and launches them together (PyTorch notes, "CUDA semantics: CUDA Graphs").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from invert.errors import InvertWarning

EAGER = 3
"""Steps before the recording: libraries choose their algorithms and the optimiser makes its state."""

READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal")


class Capture:
    """Calls a step: the first times as it is, then records it once, then replays the record.

    The step must be operations on tensors that stay where they are, and draw random numbers from
    `generators` alone. Where it cannot be recorded, because the network reads values back to the
    host, it goes on as it is, with a warning that says so.
    """

    def __init__(self, generators: Sequence[torch.Generator] = ()) -> None:
        self.generators = generators
        self.calls = 0
        self.replay: Callable[[], None] | None = None
        self.recordable = False

    def __call__(self, step: Callable[[], None]) -> None:
        self.calls += 1
        if self.calls == EAGER:
            self._watch(step)
            return
        if self.calls == EAGER + 1 and self.recordable:
            self.replay = record(step, self.generators)
        (self.replay or step)()

    def _watch(self, step: Callable[[], None]) -> None:
        """Look beforehand: a recording that breaks off leaves generators in a state of its own."""
        with HostReads() as reads:
            step()
        self.recordable = not reads.found
        if reads.found:
            found = ", ".join(sorted(reads.found))
            warnings.warn(
                f"no CUDA graph: the step waits for the host ({found})", InvertWarning, stacklevel=2
            )


class HostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operations that make the host wait for the device, or the device for the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[str] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        name = operation.name().split(".")[0]
        tensors = [t for t in tree_leaves((args, result)) if isinstance(t, Tensor)]
        crosses = "copy" in name and len({t.device.type for t in tensors}) > 1
        if name in READS or crosses:
            self.found.add(name)
        return result


def record(step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """What does again all that `step` would do now, which is not run."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
