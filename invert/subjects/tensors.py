"""Which tensors can be weights of a network under study: dense ones, of numbers that torch computes with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NUMBERS = (
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
)
"""The types that torch computes with everywhere; float8, packed bits and the like are only stored."""


def unusable(tensor: Tensor) -> str:
    """Why a tensor cannot be a weight or a buffer of a network under study; empty where it can."""
    if nn.parameter.is_lazy(tensor):
        return "has no shape yet: it is lazy, so a picture has to pass through the network first"
    if tensor.is_nested or tensor.layout != torch.strided:
        return "is sparse or nested, not a dense tensor"
    if tensor.device.type == "meta":
        return "has no values: it is on the meta device"
    if tensor.is_quantized or tensor.dtype not in NUMBERS:
        return f"is {kind(tensor)}: make it float32 first"
    return ""


def kind(tensor: Tensor) -> str:
    """The type of a tensor's numbers, such as `float32`."""
    return str(tensor.dtype).removeprefix("torch.")
