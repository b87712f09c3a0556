"""The classifier under study."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from copy import copy, deepcopy
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from invert.errors import RequestError, RunError, unknown
from invert.foreign import blamed_on, foreign, staying
from invert.images import Photo, to_tensor
from invert.pictures import OWN_LIMIT
from invert.subjects import classes as class_names
from invert.subjects.layers import literature_names, main_layers
from invert.subjects.repeatable import is_repeatable
from invert.subjects.tensors import unusable
from invert.subjects.trace import OUTPUT, Layer, hooked, tapped, trace


class Subject:
    """A trained network, frozen and in evaluation mode, and all that is needed to look into it.

    It takes the module over: parameters stop requiring gradients, and the mode becomes
    evaluation (`wrap` takes a copy first). Images are `(B, C, H, W)` in [0, 1] everywhere.
    """

    model: nn.Module
    """The network."""
    name: str
    """The network as the user named it."""
    weights: str
    """Where its weights came from: `published: IMAGENET1K_V1`, `file NAME`, `random, seed 0`, `bundled`, …"""
    input_shape: tuple[int, int, int]
    """(C, H, W) of an input image."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """For each channel: the network expects `(image - mean) / std`."""
    classes: tuple[str, ...] | None
    """The names of its outputs, where they are known."""
    crop: float
    """The part of a resized photo's side that `image` keeps."""
    interpolation: str
    """How `image` resizes: `bilinear` or `bicubic`."""
    program: str | None
    """The SHA-256 of the model file that made it; None where a library did."""
    device: torch.device
    """Where the network is; `image` puts photos there."""

    def __init__(
        self,
        model: nn.Module,
        *,
        name: str,
        weights: str,
        input_shape: tuple[int, int, int],
        mean: Sequence[float],
        std: Sequence[float],
        classes: Sequence[str] | None = None,
        crop: float = 1.0,
        interpolation: str = "bilinear",
    ) -> None:
        _check_weights(model, name)
        self.model = model.eval().requires_grad_(False)
        self.name = name
        self.weights = weights
        self.input_shape = _checked_shape(input_shape)
        self.mean = _per_channel("mean", mean, input_shape[0])
        self.std = _per_channel("std", std, input_shape[0])
        if min(self.std) <= 0:
            raise RequestError(f"std must be above 0 in each channel, not {min(self.std):g}")
        self.classes = tuple(classes) if classes is not None else None
        self.crop = crop
        self.interpolation = interpolation
        self.program = None
        self.device = _device(model) or torch.device("cpu")
        self._constants: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.input_shape))
        return f"Subject({self.name!r}, weights={self.weights!r}, input={size})"

    def to(self, device: torch.device | str) -> Subject:
        """Move the network to `device`, and return the subject."""
        with blamed_on(f"{self.name} cannot be moved to {device}"):
            self.model.to(device)
            self.device = _device(self.model) or torch.device(device)
        return self

    def prepared(self, layers: Sequence[str], dtype: torch.dtype | None = None) -> Subject:
        """The network made ready for many passes up to `layers`; all weights but those changed are shared.

        Kernels lie as images do (`memory_format`), as otherwise every convolution would copy its own,
        every time. Convolutions and linear layers are held in `dtype`, if given, to run under autocast,
        which would cast frozen weights anew at every step: more work than AlexNet's own arithmetic.
        A module that cannot be copied (it holds a lock, say) stays as it is.
        """
        multiplying = (nn.modules.conv._ConvNd, nn.Linear)
        paths = [path for path, module in self.model.named_modules() if isinstance(module, multiplying)]
        called: set[str] = set()
        grey = torch.full((1, *self.input_shape), 0.5, device=self.device)
        with torch.no_grad(), hooked(self.model, paths, lambda path, call, returned: called.add(path)):
            self.activations(grey, layers)
        weights = {id(weight): weight for weight in _state(self.model).values()}
        for module in map(self.model.get_submodule, called):
            for weight in module.parameters(recurse=False):
                # A subclass may read its weights in its own way.
                kernel = type(module) is nn.Conv2d and weight.ndim == 4
                layout = self.memory_format if kernel else torch.preserve_format
                made = weight.to(dtype=dtype or weight.dtype, memory_format=layout)
                if made is not weight:
                    weights[id(weight)] = nn.Parameter(made, requires_grad=False)
        twin = copy(self)
        twin.__dict__.pop("sha256", None)
        try:
            with blamed_on(self.name):
                twin.model = deepcopy(self.model, memo=weights)
        except Exception:
            return self
        return twin

    # --- images in, values out -------------------------------------------------------------------

    def image(self, photo: Photo) -> Tensor:
        """A photo (a path, a PIL image, an array or a tensor) as the network sees it: `(1, C, H, W)`.

        Resized and cut as the weights were evaluated, in [0, 1]. See `invert.images.to_tensor`. A
        tensor or an array that has the network's own size is taken to be cut already, so that the
        image of an image is that image.
        """
        size = self.input_shape[1:]
        cut = (isinstance(photo, Tensor) and photo.ndim > 2 and tuple(photo.shape[-2:]) == size) or (
            isinstance(photo, np.ndarray) and photo.shape[:2] == size
        )
        crop = 1.0 if cut else self.crop
        image = to_tensor(photo, self.input_shape, crop=crop, interpolation=self.interpolation)
        return image.to(self.device)

    def preprocess(self, images: Tensor) -> Tensor:
        """`images` `(B, C, H, W)` in [0, 1] as the network expects them; differentiable."""
        if images.ndim != 4 or images.shape[1] != self.input_shape[0]:
            raise RequestError(
                f"{self.name} takes (B, {self.input_shape[0]}, H, W), not {tuple(images.shape)}"
            )
        mean, std = self._mean_and_std(images.device, images.dtype)
        return (images - mean) / std

    def activations(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """The values `(B, …)` of `layers` for `images`, by the names asked for; differentiable.

        The forward pass ends at the deepest of the layers. The values are the layers' own: what an
        in-place module does to them afterwards is not seen. Raises `RequestError` for a name that
        is not there or that means several calls.
        """
        taps = {name: self.layer(name).tap for name in layers}
        inputs = self.preprocess(images).contiguous(memory_format=self.memory_format)
        with self.blamed(), staying():
            values = tapped(self.model, inputs, set(taps.values())) if taps else {}
        return {name: values[tap] for name, tap in taps.items()}

    def blamed(self) -> blamed_on:
        """Within, what the network's own code raises becomes one `RunError`, memory that is short apart."""
        return blamed_on(f"{self.name} failed as it was run", but=(torch.OutOfMemoryError,))

    def logits(self, images: Tensor) -> Tensor:
        """The network's output for `images`: `(B, classes)` in a classifier."""
        return self.activations(images, [OUTPUT])[OUTPUT]

    def top(self, images: Tensor, k: int = 5) -> list[list[tuple[int, str, float]]]:
        """For each image the k likeliest classes: index, name (or index, as text), probability."""
        count = self.class_count()
        with torch.no_grad():
            probabilities = self.logits(images).float().softmax(1)
        best = probabilities.topk(min(k, count), dim=1)
        return [
            [
                (i, self.classes[i] if self.classes else str(i), p)
                for i, p in zip(indices, values, strict=True)
            ]
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    # --- names -----------------------------------------------------------------------------------

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in the order in which the network computes them; `output` is the last.

        Found by running the network once on grey images, so they are the modules that its forward
        pass calls. Raises `RequestError` where it does not take images of `input_shape`.
        """
        return self._traced[0]

    @property
    def memory_format(self) -> torch.memory_format:
        """How images are laid out for the network: channels last, in which convolutions are faster.

        A network that does not take them so (a `view` of its own after a convolution) gets the
        ordinary layout. The values are the same but for rounding.
        """
        return self._traced[1]

    @cached_property
    def _traced(self) -> tuple[tuple[Layer, ...], torch.memory_format]:
        names = literature_names(self.model)
        taken = {path for path, _ in self.model.named_modules()}
        aliases = {path: alias for path, alias in names.items() if alias not in taken}
        size = " × ".join(map(str, self.input_shape))
        devices = [self.device] if self.device.type == "cuda" else []
        with (
            blamed_on(f"{self.name} does not take images of {size}", RequestError),
            foreign(),
            torch.random.fork_rng(devices=devices),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            grey = torch.full((2, *self.input_shape), 0.5, device=self.device, requires_grad=True)
            layers, memory_format = _trace_in_its_format(self.model, self.preprocess(grey), aliases)
            noise = torch.rand(grey.shape, generator=torch.Generator().manual_seed(0)).to(self.device)
            inputs = self.preprocess(noise).contiguous(memory_format=memory_format)
            repeatable = is_repeatable(self.model, inputs, layers)
        if not repeatable:
            raise RequestError(
                f"{self.name} says something else of the same picture at every pass: its forward draws "
                "random numbers, which evaluation mode must switch off (F.dropout(x, training=self.training))"
            )
        if not layers or layers[-1].tap.module:
            raise RequestError(
                f"{self.name} lets no gradient through from its output to the image "
                "(is its forward under torch.no_grad, or its output an integer?)"
            )
        return layers, memory_format

    @cached_property
    def main_layers(self) -> tuple[str, ...]:
        """The readable set for `--layer all`, shallow to deep; `subjects.layers.main_layers` has the rule."""
        return main_layers(self.model, self.layers)

    def layer(self, name: str) -> Layer:
        """The layer of that name: a module path, an alias, with `:2` for a call, `[1]` for an item.

        Raises `RequestError` for a name that is not there (with near ones), and for the bare name
        of a module that is called several times.
        """
        if name in self._spellings:
            return self._spellings[name]
        calls = [layer.name for layer in self.layers if name in _bare_names(layer)]
        if len(calls) > 1:
            listed = " or ".join(calls) if len(calls) <= 4 else f"{calls[0]}, {calls[1]}, … or {calls[-1]}"
            raise RequestError(
                f"layer {name!r} is ambiguous: it is called {len(calls)} times, so say {listed}"
            )
        if name and name in dict(self.model.named_modules()):
            raise RequestError(f"layer {name!r} has no value: the network's forward never calls that module")
        raise unknown("layer", name, self._spellings, f"in {self.name}; `invert layers` lists them")

    def class_index(self, text: str | int) -> int:
        """The index of the class that `text` names.

        By index, by name, by name whatever the case, by whole words of one name, by a part of one
        name. Raises `RequestError` for several matches (listed) and for none (with near names).
        """
        return class_names.index(text, self.classes, self.class_count(), self.name)

    def class_count(self) -> int:
        """How many classes there are. Raises `RequestError` where the network is no classifier."""
        shape = self.layer(OUTPUT).shape
        if len(shape) != 1:
            raise RequestError(f"{self.name} is no classifier: its output is {shape}, not one number a class")
        return shape[0]

    @cached_property
    def sha256(self) -> str:
        """The digest of the weights: the names, types, shapes and bytes of all parameters and buffers."""
        digest = hashlib.sha256()
        for name, tensor in _state(self.model).items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What beside the weights decides its answers, as JSON: plain where it is short, else a SHA-256."""
        return {
            "input": {
                "shape": list(self.input_shape),
                "mean": list(self.mean),
                "std": list(self.std),
                "crop": self.crop,
                "interpolation": self.interpolation,
            },
            "classes": None if self.classes is None else _sha256(self.classes),
            "layers": _sha256(
                [
                    (path, type(module).__qualname__, _extra(module))
                    for path, module in self.model.named_modules()
                ]
                + [(layer.name, layer.kind, layer.shape) for layer in self.layers]
            ),
            "file": self.program,
        }

    @cached_property
    def _spellings(self) -> dict[str, Layer]:
        spellings: dict[str, Layer] = {}
        for layer in self.layers:
            for name in (layer.name, *layer.aliases, *_full_names(layer)):
                spellings.setdefault(name, layer)
        spellings[OUTPUT] = next(layer for layer in self.layers if layer.name == OUTPUT)
        return spellings

    def _mean_and_std(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """`(C, 1, 1)` each, kept on the device: copying them there would make every step wait."""
        if (device, dtype) not in self._constants:
            with torch.inference_mode(False):  # they will take part in gradients, whoever asked first
                mean, std = torch.tensor([self.mean, self.std], device=device, dtype=dtype)[..., None, None]
            self._constants[device, dtype] = mean, std
        return self._constants[device, dtype]


def _sha256(value: Sequence[Any]) -> str:
    return hashlib.sha256(repr(tuple(value)).encode("utf-8", "surrogatepass")).hexdigest()


def _extra(module: nn.Module) -> str:
    """What a module says of itself (kernel size, stride, …), without addresses, which differ every time."""
    try:
        with blamed_on(type(module).__name__):
            return re.sub(r" at 0x[0-9a-fA-F]+", "", str(module.extra_repr()))
    except RunError:
        return ""


def _trace_in_its_format(
    model: nn.Module, inputs: Tensor, aliases: dict[str, str]
) -> tuple[tuple[Layer, ...], torch.memory_format]:
    try:
        last = inputs.contiguous(memory_format=torch.channels_last)
        return trace(model, last, aliases), torch.channels_last
    except Exception:  # whatever is wrong with the network, it will say again without the layout
        return trace(model, inputs, aliases), torch.contiguous_format


def _full_names(layer: Layer) -> list[str]:
    """Longer ways to write a layer: `name:1` of the only call, `name[0]` of the first item."""
    names = [layer.name, *layer.aliases]
    if layer.tap.module and layer.tap.call == 1:
        names += [f"{name}:1" for name in names if ":" not in name and "[" not in name]
    return [f"{name}{layer.tap.item}" for name in names if layer.tap.item and "[" not in name] + names


def _bare_names(layer: Layer) -> set[str]:
    call = f":{layer.tap.call}"
    return {name.removesuffix(call) for name in (layer.name, *layer.aliases) if name.endswith(call)}


def _state(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name, also those that a state dict leaves out."""
    with blamed_on(type(model).__name__):
        return dict(model.named_parameters()) | dict(model.named_buffers())


def _device(model: nn.Module) -> torch.device | None:
    return next((tensor.device for tensor in _state(model).values()), None)


def _check_weights(model: nn.Module, name: str) -> None:
    for path, tensor in _state(model).items():
        if problem := unusable(tensor):
            raise RequestError(f"{name}: {path} {problem}")
    for path, weight in model.named_parameters():
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise RequestError(f"{name}: the weights hold NaN or infinity ({path})")


def _checked_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape) < 1:
        raise RequestError(f"an input is (C, H, W), each at least 1, not {tuple(shape)}")
    if shape[1] * shape[2] > OWN_LIMIT:
        raise RequestError(f"an input has at most {OWN_LIMIT:,} pixels, not {shape[1]:,} × {shape[2]:,}")
    return shape


def _per_channel(what: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    values = tuple(float(v) for v in values)
    if len(values) == 1:
        values = values * channels
    if len(values) != channels:
        raise RequestError(f"{what} has {len(values)} values for {channels} channels")
    if not all(map(isfinite, values)):
        raise RequestError(f"{what} must be finite")
    return values
