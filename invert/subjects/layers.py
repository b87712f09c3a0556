"""Names for layers: the literature's for AlexNet and VGG, and the readable few for `--layer all`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import nn

from invert.subjects.trace import OUTPUT, Layer

MOST = 12
"""How many layers `--layer all` shows at most."""


def literature_names(model: nn.Module) -> dict[str, str]:
    """The names of the literature by module path, where `model` is built like AlexNet or VGG.

    That is: a plain Sequential `features` of convolutions, norms, ReLUs and poolings, with linear
    layers after it. With five poolings it is a VGG (Simonyan and Zisserman 2015): conv1_1, relu1_1,
    … pool1, …; with five convolutions an AlexNet (Krizhevsky et al. 2012): conv1, relu1, pool1, …
    Then fc6, relu6, fc7, relu7, fc8 in both. Other models get none.
    """
    features = getattr(model, "features", None)
    plain = (nn.Conv2d, nn.BatchNorm2d, nn.LocalResponseNorm, nn.ReLU, nn.MaxPool2d, nn.Dropout)
    if not isinstance(features, nn.Sequential) or not all(isinstance(part, plain) for part in features):
        return {}
    convolutions = sum(isinstance(part, nn.Conv2d) for part in features)
    poolings = sum(isinstance(part, nn.MaxPool2d) for part in features)
    if poolings == 5:
        numbers = _vgg_numbers(features)
    elif convolutions == 5:
        numbers = _alexnet_numbers(features)
    else:
        return {}
    names = {
        f"features.{path}": f"{_role(part)}{number}"
        for (path, part), number in zip(features.named_children(), numbers, strict=True)
        if _role(part) and number != "0"
    }
    return names | _fully_connected_names(model, first=6)


def main_layers(model: nn.Module, layers: Sequence[Layer]) -> tuple[str, ...]:
    """The readable set for `--layer all`, shallow to deep.

    - Where layers go by the names of the literature: each relu and pool of the convolutions and
      each fc; only the pools and fcs where that would be more than `MOST` (VGG).
    - Otherwise the network's blocks (modules of modules). The top-level ones, of which the heaviest
      is opened as long as there are fewer than three or it holds over four fifths of the weights;
      with what comes right before the first block (the stem) and the last layer with weights (the
      head). A network without blocks gives its layers, less norms, dropouts and the like. At most
      `MOST`, thinned evenly.
    """
    return _literature_layers(layers) or _stages(model, layers)


def _literature_layers(layers: Sequence[Layer]) -> tuple[str, ...]:
    pattern = re.compile(r"(relu|pool|fc)(\d{1,9})(_\d+)?")
    found = [m for layer in layers for name in (layer.name, *layer.aliases) if (m := pattern.fullmatch(name))]
    first_fc = min((int(m[2]) for m in found if m[1] == "fc"), default=0)
    if first_fc < 2:
        return ()
    chosen = [m for m in found if m[1] == "fc" or int(m[2]) < first_fc]
    if len(chosen) > MOST:
        chosen = [m for m in chosen if m[1] != "relu"]
    return tuple(m[0] for m in chosen)


def _stages(model: nn.Module, layers: Sequence[Layer]) -> tuple[str, ...]:
    modules = dict(model.named_modules())
    weights = {path: sum(p.numel() for p in module.parameters()) for path, module in modules.items()}
    own = [layer for layer in layers if layer.tap.module and not layer.name.endswith("]")]
    parents = {
        layer.tap.module: _parent(layer.tap.module, {layer.tap.module for layer in own}) for layer in own
    }

    def path(layer: Layer) -> str:
        return layer.tap.module

    def children(parent: str) -> list[Layer]:
        return [layer for layer in own if parents[path(layer)] == parent]

    def is_block(layer: Layer) -> bool:
        return path(layer) in parents.values() and _has_weights(modules[path(layer)])

    level = children("")
    while blocks := [layer for layer in level if is_block(layer)]:
        heaviest = max(blocks, key=lambda layer: weights[path(layer)])
        if len(blocks) >= 3 and weights[path(heaviest)] <= 0.8 * weights[""]:
            break
        at = level.index(heaviest)
        level[at : at + 1] = children(path(heaviest))
    if blocks:
        first, last = level.index(blocks[0]), level.index(blocks[-1])
        head = [layer for layer in level[last + 1 :] if _has_weights(modules[path(layer)])]
        chosen = [*level[max(first - 1, 0) : first], *blocks, *head[-1:]]
    else:
        chosen = [layer for layer in level if not _is_minor(modules[path(layer)])]
    return _thinned([layer.name for layer in chosen], MOST) or (OUTPUT,)


def _parent(path: str, paths: set[str]) -> str:
    """The nearest enclosing module that is called itself (a ModuleList is not)."""
    while path:
        path = path.rpartition(".")[0]
        if path in paths:
            return path
    return ""


def _thinned(names: list[str], most: int) -> tuple[str, ...]:
    """At most `most` of the names, evenly spaced, with the first and the last."""
    if len(names) <= most:
        return tuple(names)
    return tuple(names[round(i * (len(names) - 1) / (most - 1))] for i in range(most))


def _is_minor(module: nn.Module) -> bool:
    """Whether it hardly changes what there is to see; by name, because timm has many norms of its own."""
    norms, others = (
        "(Batch|Layer|Group|Instance|LocalResponse|Rms|RMS)Norm",
        "Drop|Identity|Flatten|Unflatten",
    )
    return re.match(f"{norms}|{others}", type(module).__name__) is not None


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) and not _is_minor(module)


def _role(part: nn.Module) -> str:
    roles: Mapping[type[nn.Module], str] = {
        nn.Conv2d: "conv",
        nn.BatchNorm2d: "bn",
        nn.LocalResponseNorm: "norm",
        nn.ReLU: "relu",
        nn.MaxPool2d: "pool",
    }
    return next((role for kind, role in roles.items() if isinstance(part, kind)), "")


def _alexnet_numbers(features: nn.Sequential) -> list[str]:
    """What belongs to the third convolution is number 3."""
    numbers, convolution = [], 0
    for part in features:
        convolution += isinstance(part, nn.Conv2d)
        numbers.append(str(convolution))
    return numbers


def _vgg_numbers(features: nn.Sequential) -> list[str]:
    """The second convolution of the third stage is number 3_2; the pooling that ends the stage, 3."""
    numbers, stage, convolution = [], 1, 0
    for part in features:
        convolution += isinstance(part, nn.Conv2d)
        if isinstance(part, nn.MaxPool2d):
            numbers.append(str(stage))
            stage, convolution = stage + 1, 0
        else:
            numbers.append(f"{stage}_{convolution}")
    return numbers


def _fully_connected_names(model: nn.Module, first: int) -> dict[str, str]:
    """fc6, relu6, … for what comes after `features`; timm writes the linear layers as convolutions."""
    names: dict[str, str] = {}
    number = first - 1
    for path, module in model.named_modules():
        if path.startswith("features"):
            continue
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            number += 1
            names[path] = f"fc{number}"
        elif isinstance(module, nn.ReLU) and number >= first:
            names[path] = f"relu{number}"
    return names
