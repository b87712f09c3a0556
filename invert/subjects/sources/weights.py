"""Weights from a file: untrusted, so read as tensors only, and checked before they are used."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from invert.errors import RequestError

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training scripts keep the state dict of the model."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` write before each name."""

State = dict[str, Tensor]


def read(path: str | Path) -> State:
    """The state dict in a `.safetensors` file or in one of `torch.save`, on the CPU.

    Only tensors are unpickled (`weights_only=True`). Raises `RequestError` where there is no such
    file, it is damaged, holds anything but a state dict, or a value is NaN or infinite.
    """
    path = Path(path)
    what = f"weights {str(path)!r}"
    if not path.is_file():
        raise RequestError(f"{what}: {'not a file' if path.exists() else 'there is no such file'}")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of TorchScript archives, then raises
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the readers raise whatever they stumble over
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise RequestError(f"{what}: holds more than tensors; save model.state_dict() alone") from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise RequestError(
            f"{what}: not a .safetensors file or a state dict that can be read ({reason})"
        ) from None
    state = _unwrapped(content)
    if state is None:
        raise RequestError(f"{what}: holds a {type(content).__name__}, not a state dict (names and tensors)")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise RequestError(f"{what}: {name} holds NaN or infinity")
    return state


def without_prefix(state: State, model: nn.Module) -> State:
    """`state` without what wrappers of `model` write before each name."""
    expected = model.state_dict()
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state) and not all(
            key.startswith(prefix) for key in expected
        ):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def misfit(model: nn.Module, state: State) -> str:
    """Load `state` into `model` if it fits (then empty); otherwise say what does not."""
    expected = model.state_dict()
    shapes = [key for key in state if key in expected and state[key].shape != expected[key].shape]
    if shapes:
        have, want = tuple(state[shapes[0]].shape), tuple(expected[shapes[0]].shape)
        return _count(shapes, "of another shape", f"{shapes[0]} is {have}, not {want}")
    result = model.load_state_dict(state, strict=False)
    problems = [
        _count(keys, what, keys[0])
        for keys, what in ((result.missing_keys, "missing"), (result.unexpected_keys, "unexpected"))
        if keys
    ]
    return "; ".join(problems)


def class_count(model: nn.Module, state: State) -> int | None:
    """How many classes the last layer in `state` has, where that differs from `model`'s; else None.

    The last layer is the last convolution or linear layer of `model`, and has to agree with
    `state` in all but the number of its outputs.
    """
    expected = model.state_dict()
    heads = [path for path, part in model.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    key = f"{heads[-1]}.weight" if heads else ""
    if key not in state or key not in expected or state[key].ndim != expected[key].ndim:
        return None
    have, want = state[key].shape, expected[key].shape
    return int(have[0]) if have[0] != want[0] and have[1:] == want[1:] else None


def _unwrapped(content: Any) -> State | None:
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        return None
    return dict(content)


def _count(keys: list[str], what: str, first: str) -> str:
    return f"{len(keys)} {what} ({'first ' if len(keys) > 1 else ''}{first})"
