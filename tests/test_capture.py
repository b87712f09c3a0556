"""What a CUDA graph would record of a step, recorded on the CPU.

A CUDA graph runs the same operations on the same memory again, without Python. So does `Record`;
only the recording itself stands in for CUDA's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import invert
from invert import registry
from invert.engine import capture, redirect
from invert.engine.capture import EAGER, READS, Capture
from invert.engine.optimisation import Optimisation, Step
from invert.engine.problem import Problem


class Record(TorchDispatchMode):
    """Every operation with its operands and results; `replay` does them again into the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert operation.name().split(".")[0] not in READS, "not permitted while CUDA records"
        results = operation(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves(results) if isinstance(t, Tensor)]
        self.operations.append((operation, args, kwargs or {}, tensors))
        return results

    def replay(self) -> None:
        with torch.no_grad():
            for operation, args, kwargs, before in self.operations:
                after = [t for t in tree_leaves(operation(*args, **kwargs)) if isinstance(t, Tensor)]
                for old, new in zip(before, after, strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def everything(optimisation: Optimisation) -> list[Tensor]:
    """The tensors that live from step to step."""
    kept = [*optimisation.memory.buffers(), optimisation.peak]
    moments = [value for state in optimisation.adam.state.values() for value in state.values()]
    return [*kept, *moments, *(p.data for p in optimisation.canvas.parameters())]


def recorded(optimisation: Optimisation, patch: pytest.MonkeyPatch) -> Optimisation:
    """The same optimisation with its steps recorded; what CUDA does not run while it records is undone."""

    def record(step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        before = [(tensor, tensor.clone()) for tensor in everything(optimisation)]
        states = [generator.get_state() for generator in generators]
        with Record() as record:
            step()
        for tensor, value in before:
            tensor.copy_(value)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        return record.replay

    patch.setattr(capture, "record", record)
    patch.setattr(redirect, "HOST_SEES", ())
    optimisation.capture = Capture(optimisation.generators)
    return optimisation


def subject() -> invert.Subject:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 30 * 30, 5))
    return invert.wrap(network, size=32, mean=0.5, std=0.25, classes=tuple("abcde"))


OBJECTIVES = {
    "feature": invert.FeatureMatch("1", torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))),
    "class": invert.ClassLogOdds("c"),
}


@pytest.mark.parametrize("prior", sorted(registry.names("invert.priors")))
@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_recorded_step_is_the_step(kind: str, prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedule, random views, input noise, stopping and the best so far included, for two seeds at once."""
    problem = Problem.pose(subject(), OBJECTIVES[kind], invert.prior(prior))
    steps = EAGER + 5
    plain = list(problem.optimisation([0, 1], steps, precision="fp32", patience=4))
    replayed = list(recorded(problem.optimisation([0, 1], steps, precision="fp32", patience=4), monkeypatch))
    assert len(replayed) == len(plain)
    for one, other in zip(plain[1:], replayed[1:], strict=True):
        fields = ("loss", "penalty", "image") if isinstance(one, Step) else ("best", "last", "loss")
        for field in fields:
            torch.testing.assert_close(getattr(other, field), getattr(one, field), rtol=1e-6, atol=1e-6)
    assert replayed[-1].reasons == plain[-1].reasons  # type: ignore[union-attr]


def test_a_network_that_reads_back_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) * (2.0 if x.mean() > 0 else 1.0)

    wrapped = invert.wrap(nn.Sequential(Reads(), nn.Linear(3 * 32 * 32, 5)), size=32, mean=0.5, std=0.25)
    problem = Problem.pose(wrapped, invert.ClassLogOdds(1), invert.prior("none"))
    plain = list(problem.optimisation([0], EAGER + 3, precision="fp32"))
    with pytest.warns(UserWarning, match="no CUDA graph: .*_local_scalar_dense"):
        eager = list(recorded(problem.optimisation([0], EAGER + 3, precision="fp32"), monkeypatch))
    torch.testing.assert_close(eager[-1].best, plain[-1].best)  # type: ignore[union-attr]
