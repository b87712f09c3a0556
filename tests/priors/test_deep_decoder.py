"""The deep decoder: its published sizes, and the network as its authors write it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import invert
from invert_priors.deep_decoder import Decoded, DeepDecoder
from invert_priors.generator import NATURAL_COLOURS


def start(shape: tuple[int, int, int], problems: int = 1, **settings: object) -> Decoded:
    rngs = [torch.Generator().manual_seed(seed) for seed in range(problems)]
    canvas = DeepDecoder(**settings).start(shape, rngs)  # type: ignore[arg-type]
    assert isinstance(canvas, Decoded)
    return canvas


@pytest.mark.parametrize("width, numbers", [(32, 6_624), (64, 25_536), (128, 100_224), (256, 397_056)])
def test_it_has_the_published_number_of_parameters(width: int, numbers: int) -> None:
    canvas = start((3, 512, 512), width=width)
    assert sum(p.numel() for p in canvas.parameters()) == numbers
    assert canvas.z.shape == (1, width, 16, 16)


def as_published(canvas: Decoded, b: int, flat_layer: str) -> nn.Sequential:
    """`decodernw` of the authors' code, with the parameters of problem b."""
    k, layers, scales = canvas.z.shape[1], [], len(canvas.enlarges) - 1
    for i in range(scales + 1):
        conv = nn.Conv2d(k, k, 1, bias=False)
        conv.weight = nn.Parameter(canvas.kernels[i][b][:, :, None, None])
        up = nn.Upsample(scale_factor=2, mode="bilinear")
        norm = nn.BatchNorm2d(k)
        norm.weight, norm.bias = (nn.Parameter(p[i][b]) for p in (canvas.gains, canvas.shifts))
        if flat_layer == "last":
            layers += [conv, *([up] if i < scales else []), nn.ReLU(), norm]
        else:
            layers += [*([up] if i > 0 else []), conv, nn.ReLU(), norm]
    out = nn.Conv2d(k, 3, 1, bias=False)
    out.weight = nn.Parameter(canvas.kernels[-1][b][:, :, None, None])
    return nn.Sequential(*layers, out, nn.Sigmoid())


@pytest.mark.parametrize("flat_layer", ["last", "first"])
def test_each_problem_is_the_published_network(flat_layer: str) -> None:
    canvas = start((3, 64, 64), problems=2, width=8, flat_layer=flat_layer)
    for p in canvas.parameters():
        nn.init.uniform_(p, 0.1, 1.0)
    for b, image in enumerate(canvas()):
        expected: Tensor = as_published(canvas, b, flat_layer)(canvas.z[b : b + 1])
        torch.testing.assert_close(image[None], expected)


def test_decorrelated_colours_are_mixed_to_those_of_photos() -> None:
    plain, mixed = (start((3, 32, 32), width=8, colours=c)() for c in ("rgb", "decorrelated"))
    expected = torch.einsum("ij,bjyx->biyx", torch.tensor(NATURAL_COLOURS), plain.logit()).sigmoid()
    torch.testing.assert_close(mixed, expected)


def test_a_picture_of_any_size_is_the_corner_of_a_larger_one() -> None:
    assert start((3, 65, 130), width=8)().shape == (1, 3, 65, 130)
    assert start((1, 5, 9), width=8)().shape == (1, 1, 5, 9)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"width": 0}, "width must be at least 1, not 0"),
        ({"input_noise": -1.0}, "input_noise must be at least 0"),
        ({"input_scale": 0.0}, "input_scale must be above 0"),
        ({"flat_layer": "second"}, "flat_layer must be first or last, not 'second'"),
        ({"colours": "lab"}, "colours must be rgb or decorrelated, not 'lab'"),
    ],
)
def test_a_setting_out_of_range_says_what_would_be_right(settings: dict[str, object], says: str) -> None:
    with pytest.raises(invert.RequestError, match=says):
        invert.prior("deep-decoder", **settings)
