"""Where in the picture a layer finds a class: Grad-CAM, by captum."""

from __future__ import annotations

from collections import Counter

import torch
from captum.attr import LayerGradCam
from matplotlib import colormaps
from torch import Tensor

from invert.subjects import Layer, Subject


def attribution_map(subject: Subject, layer: str, image: Tensor, class_index: int) -> Tensor | None:
    """Layer Grad-CAM of a class's logit for one image `(1, C, H, W)`: `(H, W)` in [0, 1].

    For a layer without places, such as a fully connected one, the map is that of the deepest
    layer before it that has some. None where there is no such layer, or it finds the class nowhere.
    Selvaraju et al., ICCV 2017, https://captum.ai/api/layer.html
    """
    place = _placed(subject, subject.layer(layer))
    if place is None:
        return None
    module = subject.model.get_submodule(place.tap.module)
    method = LayerGradCam(lambda x: subject.model(x), module)
    inputs = subject.preprocess(image).detach().requires_grad_()
    with subject.blamed():
        cam = method.attribute(inputs, target=class_index, relu_attributions=True)
    if not isinstance(cam, Tensor) or cam.dim() != 4 or not bool(cam.any()):
        return None
    size = (image.shape[-2], image.shape[-1])
    smooth = torch.nn.functional.interpolate(cam.detach().float(), size, mode="bilinear")[0, 0]
    return smooth / smooth.max()


def overlay(image: Tensor, attribution: Tensor) -> Tensor:
    """A map `(H, W)` in colour over the image `(1, C, H, W)` in grey: `(1, 3, H, W)` in [0, 1]."""
    grey = image.mean(1, keepdim=True).expand(-1, 3, -1, -1).cpu()
    colours = torch.from_numpy(colormaps["inferno"](attribution.cpu().numpy())[..., :3]).float()
    weight = 0.25 + 0.5 * attribution.cpu()
    return ((1 - weight) * grey + weight * colours.movedim(-1, 0)[None]).clamp(0, 1)


def _placed(subject: Subject, layer: Layer) -> Layer | None:
    """`layer`, or the deepest before it, that is a feature map `(C, h, w)` of a module called once.

    None for a map `(h, w, C)`: Grad-CAM would take its rows for channels.
    """
    if len(layer.shape) == 3 and layer.channel_axis != 0:
        return None
    calls = Counter(each.tap.module for each in subject.layers if each.tap.module)
    reached = subject.layers[: subject.layers.index(layer) + 1]
    placed = (
        each
        for each in reversed(reached)
        if len(each.shape) == 3
        and each.channel_axis == 0
        and each.shape[1] > 1
        and calls[each.tap.module] == 1
    )
    return next(placed, None)
