"""`activations` gives what the layers really hold, and computes nothing beyond them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from invert.errors import RequestError, RunError
from invert.subjects import Subject, load, wrap


class Poison(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("the forward pass went too deep")


def hooks_left(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def out_of_place(model: nn.Module) -> nn.Module:
    """A copy of which no module writes into its input."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


def naive(model: nn.Module, inputs: Tensor, modules: list[str]) -> list[Tensor]:
    """What plain hooks see at the calls of `modules`, where nothing is written in place."""
    model, seen = out_of_place(model), []
    for module in modules:
        model.get_submodule(module).register_forward_hook(lambda _m, _i, returned: seen.append(returned))
    model(inputs)
    return seen


def test_conv1_of_alexnet_does_not_reach_fc6(alexnet: Subject) -> None:
    called = []
    handles = [
        module.register_forward_hook(lambda _m, _i, _o, path=path: called.append(path))
        for path, module in alexnet.model.named_modules()
    ]
    alexnet.activations(torch.rand(1, 3, 224, 224), ["conv1"])
    for handle in handles:
        handle.remove()
    assert called == ["features.0"]


def test_a_poisoned_fc6_is_never_touched(alexnet: Subject) -> None:
    fc6, image = alexnet.model.classifier[1], torch.rand(1, 3, 224, 224)
    assert alexnet.layer("fc6").tap.module == "classifier.1"
    alexnet.model.classifier[1] = Poison()
    try:
        assert alexnet.activations(image, ["conv1", "pool5"])["pool5"].shape == (1, 256, 6, 6)
        with pytest.raises(RunError, match="too deep"):
            alexnet.activations(image, ["fc6"])
    finally:
        alexnet.model.classifier[1] = fc6
    assert hooks_left(alexnet.model) == 0


def test_values_survive_the_in_place_relus_after_them(alexnet: Subject) -> None:
    image = torch.rand(1, 3, 224, 224)
    names = ["conv1", "relu1", "conv5", "fc6"]
    values = alexnet.activations(image, [*names, "output"])
    modules = [alexnet.layer(name).tap.module for name in names]
    expected = naive(alexnet.model, alexnet.preprocess(image), modules)
    torch.testing.assert_close([values[name] for name in names], expected)
    assert values["conv1"].min() < 0 <= values["relu1"].min()


def test_each_call_of_a_reused_module_is_a_layer(resnet: Subject) -> None:
    image = torch.rand(1, 3, 64, 64)
    values = resnet.activations(image, ["layer1.0.relu:1", "layer1.0.relu:2"])
    expected = naive(resnet.model, resnet.preprocess(image), ["layer1.0.relu"])
    assert len(expected) == 2
    torch.testing.assert_close(list(values.values()), expected)


def test_values_survive_additions_in_place(resnet: Subject) -> None:
    values = resnet.activations(torch.rand(1, 3, 64, 64), ["layer1.0.conv2", "layer1.0.bn2", "layer1.0"])
    bn2 = resnet.model.layer1[0].bn2(values["layer1.0.conv2"])  # to which the block adds its input, in place
    torch.testing.assert_close(values["layer1.0.bn2"], bn2)


def test_the_gradient_reaches_the_image_past_an_in_place_module(reuser: Subject, images: Tensor) -> None:
    images.requires_grad_()
    values = reuser.activations(images, ["conv1", "relu:2", "output"])
    sum(value.square().sum() for value in values.values()).backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert all(p.grad is None for p in reuser.model.parameters())


def test_a_value_is_the_same_whether_or_not_the_forward_goes_on(reuser: Subject, images: Tensor) -> None:
    alone = reuser.activations(images, ["conv1"])["conv1"]
    among = reuser.activations(images, ["output", "conv1"])["conv1"]
    assert torch.equal(alone, among)


def test_tuples_and_dicts(packer: Subject, images: Tensor) -> None:
    inputs = packer.preprocess(images)
    names = ["halves", "halves[1]", "named", "named[right]", "output", "output[1]"]
    values = packer.activations(images, names)
    assert torch.equal(values["halves"], inputs[:, :1])
    assert torch.equal(values["halves[1]"], inputs[:, 1:])
    assert torch.equal(values["named"], inputs[:, 1:, :, :4])  # the integers before it are no layer
    assert torch.equal(values["named[right]"], values["output[1]"])
    assert values["output"].shape == (2, 2)
    assert packer.layer("halves[0]") == packer.layer("halves")


def test_tokens_of_a_vision_transformer(vit: Subject) -> None:
    image = torch.rand(1, 3, 224, 224)
    assert vit.activations(image, ["blocks.3"])["blocks.3"].shape == (1, 197, 192)
    assert vit.layer("blocks.3").shape == (197, 192)
    assert vit.layer("patch_embed").share == pytest.approx(196 * 192 / (3 * 224 * 224))


class Windows(nn.Module):
    """Counts windows, not images, on its first axis, as a Swin transformer does."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.swap = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        self.swap(tokens.transpose(0, 1))
        return self.fold(tokens.reshape(-1, 16, x.shape[1])).reshape(x.shape[0], -1)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_first_axis_always_counts_the_images(batch: int) -> None:
    subject = wrap(Windows(), size=8, mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.rand(batch, 3, 8, 8)
    values = subject.activations(images, ["fold", "swap"])
    tokens = images.flatten(2).transpose(1, 2)
    assert torch.equal(values["fold"], tokens.reshape(batch, 4, 16, 3))
    assert torch.equal(values["swap"], tokens)


class Swallows(nn.Module):
    """Falls back on something else when its first choice raises."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.second(self.first(x))
        except Exception:
            raise AssertionError("the end of the forward pass looked like an error") from None


def test_a_network_that_catches_errors_does_not_catch_the_end(images: Tensor) -> None:
    subject = wrap(Swallows(), size=8, mean=(0, 0, 0), std=(1, 1, 1))
    assert list(subject.activations(images, ["first"])) == ["first"]


class Detached(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.detach(), 2 * x


def test_the_bare_name_is_the_first_tensor_that_a_gradient_reaches(images: Tensor) -> None:
    subject = wrap(Detached(), size=8, mean=(0, 0, 0), std=(1, 1, 1))
    assert torch.equal(subject.logits(images), 2 * images)
    assert subject.layer("output[1]") == subject.layer("output")


def test_what_is_found_in_inference_mode_serves_gradients(images: Tensor) -> None:
    subject = wrap(nn.Conv2d(3, 3, 1), size=8, mean=0.5, std=0.5)
    with torch.inference_mode():
        assert not subject.logits(images).requires_grad
    images.requires_grad_()
    subject.logits(images).sum().backward()
    assert images.grad is not None


def test_no_layers_no_work(reuser: Subject, images: Tensor) -> None:
    assert reuser.activations(images, []) == {}


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8)])
def test_images_of_another_rank_or_channel_count(reuser: Subject, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"takes \(B, 3, H, W\)"):
        reuser.activations(torch.rand(shape), ["conv1"])
    assert hooks_left(reuser.model) == 0


def test_preprocessing_is_the_published_one(alexnet: Subject) -> None:
    from torchvision.models import AlexNet_Weights
    from torchvision.transforms.functional import normalize

    image, published = torch.rand(1, 3, 224, 224), AlexNet_Weights.DEFAULT.transforms()
    torch.testing.assert_close(alexnet.preprocess(image), normalize(image, published.mean, published.std))


def test_a_network_that_views_its_convolutions_gets_the_ordinary_layout() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).view(len(x), -1)

    subject = wrap(Views(), size=8, mean=0.5, std=0.25)
    assert subject.memory_format is torch.contiguous_format
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(subject.logits(images), subject.model(subject.preprocess(images)))
    assert load("alexnet-mini").memory_format is torch.channels_last
