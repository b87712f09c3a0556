"""Where values can be tapped in a network, found by running it once.

A layer is a call of a module: what the forward pass really does, in the order in which it does
it, and not what `named_modules()` happens to list. A module that is called twice is two layers,
`relu:1` and `relu:2`. A module that returns a tuple or a dict is a layer for each tensor in it:
the first goes by the bare name, the others by `name[1]` or `name[key]`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from invert.errors import RunError
from invert.subjects.channels import channel_axis

OUTPUT = "output"
"""The name of the network's final output."""

Hook = Callable[[str, int, Any], None]
"""Called with a module's path, the number of the call (from 1) and what the module returned."""


@dataclass(frozen=True)
class Tap:
    """How to get a layer's value `(B, …)` out of the running network."""

    module: str
    """The module's path; empty for the network itself."""
    call: int
    """Which call of the module, from 1."""
    item: str
    """Where in what it returns: empty for a tensor, `[1]` or `[key]` in a tuple or a dict."""
    batch_axis: int = 0
    """The axis of the tensor that counts the images."""
    folded: int = 1
    """How many rows of axis 0 belong to an image (more than 1 in the windows of a Swin transformer)."""

    def value(self, returned: Any, batch: int) -> Tensor:
        """The layer's value `(B, …)` in what the module `returned` for a batch of B images."""
        tensor = dict(tensors(returned))[self.item]
        if self.folded > 1:
            return tensor.reshape(batch, self.folded, *tensor.shape[1:])
        return tensor.movedim(self.batch_axis, 0)


@dataclass(frozen=True)
class Layer:
    """A value inside the network that can be looked at."""

    name: str
    """The module's path, with `:2` for its second call and `[1]` for a further tensor that it returns."""
    aliases: tuple[str, ...]
    """Other names of the layer: those of the literature first."""
    shape: tuple[int, ...]
    """The shape of its value for an image, without the batch."""
    kind: str
    """The type of the module, such as `Conv2d`."""
    share: float
    """How many numbers the layer holds for each number of the input image."""
    channel_axis: int
    """The axis of `shape` that counts channels: the first in convolutions, the last in transformers."""
    tap: Tap = field(repr=False)


def tensors(returned: Any, item: str = "") -> Iterator[tuple[str, Tensor]]:
    """The floating-point tensors in what a module returned, each with its place there."""
    if isinstance(returned, Tensor):
        if returned.is_floating_point():
            yield item, returned
    elif isinstance(returned, Mapping):
        for key, value in returned.items():
            yield from tensors(value, f"{item}[{key}]")
    elif isinstance(returned, (tuple, list)):
        for index, value in enumerate(returned):
            yield from tensors(value, f"{item}[{index}]")


@contextmanager
def hooked(model: nn.Module, modules: Iterable[str], hook: Hook) -> Iterator[None]:
    """Within, `hook` hears of each call of `modules` (paths). Leaves no hook behind, whatever happens."""
    calls: Counter[str] = Counter()

    def listen(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def listener(_module: nn.Module, _args: Any, returned: Any) -> None:
            calls[path] += 1
            hook(path, calls[path], returned)

        return listener

    handles = []
    try:
        for path in modules:
            handles.append(model.get_submodule(path).register_forward_hook(listen(path)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def trace(model: nn.Module, inputs: Tensor, aliases: Mapping[str, str]) -> tuple[Layer, ...]:
    """The layers that `model` passes on the way from `inputs` to its output, in order.

    `inputs` `(2, C, H, W)` is what the model expects, and requires a gradient: a value counts as
    a layer if the gradient reaches it, for otherwise no image can be optimised through it.
    `aliases` gives the literature's names by module path.
    """
    batch = inputs.shape[0]
    seen: list[tuple[Tap, bool, tuple[int, ...]]] = []

    def record(path: str, call: int, returned: Any) -> None:
        first = True
        for item, tensor in tensors(returned):
            axis_and_fold = _batch_layout(tensor.shape, batch)
            if tensor.requires_grad and axis_and_fold is not None:
                tap = Tap(path, call, item, *axis_and_fold)
                seen.append((tap, first, tuple(tap.value(returned, batch).shape[1:])))
                first = False

    modules = dict(model.named_modules())
    # The gradient is asked for by name only, never taken: nothing is kept for it.
    nothing = torch.empty(0)
    with saved_tensors_hooks(lambda _: nothing, lambda _: nothing), hooked(model, modules, record):
        model(inputs)

    calls = Counter(tap.module for tap, first, _ in seen if first)
    others = _other_paths(model)
    layers = []
    axes: dict[tuple[int, ...], int] = {}
    height, width = inputs.shape[-2:]
    for tap, first, shape in seen:
        axes[shape] = channel_axis(modules[tap.module], shape, axes, (height, width))
        paths = [tap.module, *others[tap.module]] if tap.module else [OUTPUT]
        if tap.module in aliases:
            paths.insert(1, aliases[tap.module])
        name, *rest = [spelling for path in paths for spelling in _spellings(path, tap, first, calls)]
        numel = prod(inputs.shape[1:])
        kind = type(modules[tap.module]).__name__
        layers.append(Layer(name, tuple(rest), shape, kind, prod(shape) / numel, axes[shape], tap))
    return tuple(layers)


class _Reached(BaseException):
    """All layers asked for are there. Not an `Exception`, so that no network's `except` swallows it."""


def tapped(model: nn.Module, inputs: Tensor, taps: set[Tap]) -> dict[Tap, Tensor]:
    """The values at `taps`, from a forward pass that ends as soon as it has them all."""
    values: dict[Tap, Tensor] = {}

    def keep(path: str, call: int, returned: Any) -> None:
        here = [tap for tap in taps if (tap.module, tap.call) == (path, call)]
        values.update({tap: tap.value(returned, inputs.shape[0]) for tap in here})
        if len(values) == len(taps):
            raise _Reached
        # The forward goes on, and a module to come may write into this very tensor.
        values.update({tap: values[tap].clone() for tap in here})

    try:
        with hooked(model, {tap.module for tap in taps}, keep):
            model(inputs)
    except _Reached:
        return values
    missing = ", ".join(sorted(tap.module or OUTPUT for tap in taps - values.keys()))
    raise RunError(f"the forward pass did not come by {missing} this time")


def _spellings(path: str, tap: Tap, first: bool, calls: Mapping[str, int]) -> list[str]:
    """The ways to write a layer; the one to show comes first."""
    called_once = calls[tap.module] <= 1 and (path != OUTPUT or not tap.module)
    call = "" if called_once else f":{tap.call}"
    return [path + call] if first else [path + call + tap.item]


def _batch_layout(shape: tuple[int, ...], batch: int) -> tuple[int, int] | None:
    """The axis that counts the images and the rows to an image, or None if the shape knows no batch."""
    if len(shape) == 0:
        return None
    if shape[0] == batch:
        return 0, 1
    if len(shape) > 1 and shape[1] == batch:
        return 1, 1
    if shape[0] % batch == 0 and shape[0] > 0:
        return 0, shape[0] // batch
    return None


def _other_paths(model: nn.Module) -> dict[str, list[str]]:
    """Modules registered in several places: by their first path, the others."""
    first: dict[nn.Module, str] = {}
    others: dict[str, list[str]] = defaultdict(list)
    for path, module in model.named_modules(remove_duplicate=False):
        if module in first:
            others[first[module]].append(path)
        else:
            first[module] = path
    return others
