"""Train alexnet-mini from scratch on a folder of class folders.

    python examples/train_classifier.py TRAIN_DIR VAL_DIR --out weights.safetensors

Each of TRAIN_DIR and VAL_DIR holds one folder of photos per class, with the same names.
The photos are decoded once into one uint8 tensor; every batch is then cropped, flipped,
recoloured and mixed as a tensor, so no worker processes are needed. The network has batch
norm while it trains; it is folded into the weights before they are written (float16
safetensors). The same seed and settings on the same machine repeat the same run.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from invert.subjects.sources.alexnet_mini import MEAN, SIZE, STD, alexnet_mini

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}

# (from this share of the epochs on, side of the training crops). Small crops first save
# time; a crop shows objects larger than the whole photo does, so training a little below
# the test size also brings the two closer (Touvron et al. 2019).
RESOLUTIONS = ((0.0, 96), (0.35, 112), (0.75, 128))


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides a run, all of it written into the metadata of the weights."""

    epochs: int = 60
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.4
    label_smoothing: float = 0.1
    mix_share: float = 0.6
    smallest_crop: float = 0.3
    ema_decay: float = 0.998
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Photos:
    """Decoded photos, ``images`` uint8 ``(N, 3, SIZE, SIZE)``, ``labels`` int64 ``(N,)``."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def main() -> None:
    arguments = parse_arguments()
    settings = Settings(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Settings)})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_photos, val_photos = read_photos(arguments.train), read_photos(arguments.val)
    if train_photos.classes != val_photos.classes:
        raise SystemExit(f"{arguments.train} and {arguments.val} do not hold the same classes")
    torch.manual_seed(settings.seed)
    network = with_batch_norm(alexnet_mini(len(train_photos.classes), settings.dropout))
    if arguments.start_from:
        network.load_state_dict(safetensors.torch.load_file(arguments.start_from))
    averaged = train(network.to(device), train_photos, val_photos, settings)
    if arguments.checkpoint:
        safetensors.torch.save_file(contiguous(averaged), arguments.checkpoint)
    inference = without_batch_norm(averaged)
    print(f"folded, float32: {accuracy(inference, val_photos, torch.float32):.4f}")
    save(inference, arguments.out, train_photos.classes, settings)
    stored = safetensors.torch.load_file(arguments.out)
    inference.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    print(f"folded, float16 on disk: {accuracy(inference, val_photos, torch.float32):.4f}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train alexnet-mini on a folder of class folders.")
    parser.add_argument("train", type=Path, help="folder of class folders to learn from")
    parser.add_argument("val", type=Path, help="folder of class folders to measure on")
    parser.add_argument("--out", type=Path, required=True, help="weights to write (.safetensors)")
    parser.add_argument("--checkpoint", type=Path, help="also write the network with batch norm")
    parser.add_argument("--start-from", type=Path, help="go on from such a checkpoint")
    for field in dataclasses.fields(Settings):
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=field.default,
            help=f"default {field.default}",
        )
    return parser.parse_args()


# --- photos ------------------------------------------------------------------------------


def read_photos(folder: Path) -> Photos:
    """Every photo under ``folder/CLASS/``, classes in the order of their names."""
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    paths = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in PHOTO_SUFFIXES
    ]
    if not paths:
        raise SystemExit(f"{folder} holds no class folders with photos in them")
    images = torch.empty((len(paths), 3, SIZE, SIZE), dtype=torch.uint8)
    for index, (path, _) in enumerate(paths):
        images[index] = read_photo(path)
    return Photos(images, torch.tensor([label for _, label in paths]), classes)


def read_photo(path: Path) -> Tensor:
    """The middle square of a photo as uint8 ``(3, SIZE, SIZE)``."""
    with Image.open(path) as photo:
        square = ImageOps.fit(photo.convert("RGB"), (SIZE, SIZE), Image.Resampling.BICUBIC)
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    return pixels.view(SIZE, SIZE, 3).permute(2, 0, 1)


def normalise(images: Tensor) -> Tensor:
    """Images in [0, 1] to what the network expects, in the memory layout convolutions like."""
    mean = images.new_tensor(MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(STD).view(1, 3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


def batches(
    photos: Photos, size: int, device: torch.device, order: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images as floats in [0, 1] with their labels, ``size`` at a time, in the given order."""
    for chosen in torch.split(order, size):
        images = photos.images[chosen].to(device).float().div_(255)
        yield images, photos.labels[chosen].to(device)


# --- augmentation ------------------------------------------------------------------------


class Augmentation:
    """Random crops, flips, colours and mixtures of whole batches, from its own generator."""

    def __init__(self, settings: Settings, classes: int) -> None:
        self.settings = settings
        self.classes = classes
        self.rng = torch.Generator().manual_seed(settings.seed)

    def __call__(self, images: Tensor, labels: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Images ``(B, 3, side, side)`` in [0, 1] and soft labels ``(B, classes)``."""
        images = self.recolour(self.crop(images, side))
        return self.mix(images, F.one_hot(labels, self.classes).float())

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        return torch.rand(count, generator=self.rng) * (high - low) + low

    def crop(self, images: Tensor, side: int) -> Tensor:
        """A random part of each image (area, aspect, place), mirrored half of the time."""
        count = len(images)
        extent = self.uniform(count, self.settings.smallest_crop, 1).sqrt()
        stretch = self.uniform(count, -math.log(4 / 3), math.log(4 / 3)).div(2).exp()
        width = (extent * stretch).clamp(max=1)
        height = (extent / stretch).clamp(max=1)
        mirror = self.uniform(count, -1, 1).sign()
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0] = width * mirror
        theta[:, 1, 1] = height
        theta[:, 0, 2] = self.uniform(count, -1, 1) * (1 - width)
        theta[:, 1, 2] = self.uniform(count, -1, 1) * (1 - height)
        grid = F.affine_grid(theta.to(images.device), [count, 3, side, side], align_corners=False)
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def recolour(self, images: Tensor) -> Tensor:
        """Brightness, contrast, saturation and white balance as one matrix per image."""
        count = len(images)
        brightness = self.uniform(count, 0.7, 1.3).view(-1, 1, 1)
        contrast = self.uniform(count, 0.7, 1.3).view(-1, 1, 1)
        saturation = self.uniform(count, 0.6, 1.4).view(-1, 1, 1)
        balance = self.uniform(count * 3, 0.93, 1.07).view(-1, 3, 1)
        grey = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
        matrix = balance * brightness * contrast * (saturation * torch.eye(3) + (1 - saturation) * grey)
        offset = 0.45 * balance * brightness * (1 - contrast)
        device, shape = images.device, images.shape
        pixels = torch.baddbmm(offset.to(device), matrix.to(device), images.flatten(2))
        return pixels.clamp_(0, 1).view(shape)

    def mix(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Some batches blend each image with another (mixup) or paste a box of it (CutMix)."""
        kind = float(self.uniform(1, 0, 1))
        if kind >= self.settings.mix_share:
            return images, targets
        other = torch.randperm(len(images), generator=self.rng).to(images.device)
        if kind < self.settings.mix_share / 2:
            share = float(self.uniform(1, 0, 0.3))
            images = torch.lerp(images, images[other], share)
        else:
            images, share = self.paste(images, images[other])
        return images, torch.lerp(targets, targets[other], share)

    def paste(self, images: Tensor, others: Tensor) -> tuple[Tensor, float]:
        """A box of ``others`` over ``images``, and the share of the area that it covers."""
        side = images.shape[-1]
        half = 0.5 * side * math.sqrt(float(self.uniform(1, 0, 1)))
        centre_y, centre_x = self.uniform(2, 0, side).tolist()
        top, bottom = max(0, round(centre_y - half)), min(side, round(centre_y + half))
        left, right = max(0, round(centre_x - half)), min(side, round(centre_x + half))
        images[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        return images, (bottom - top) * (right - left) / side**2


# --- batch norm, in and out --------------------------------------------------------------


def with_batch_norm(network: nn.Sequential) -> nn.Sequential:
    """The same network with batch norm after each convolution and linear layer but the last."""
    layers = OrderedDict[str, nn.Module]()
    last = list(network)[-1]
    for name, layer in network.named_children():
        layers[name] = layer
        if isinstance(layer, nn.Conv2d):
            layers[f"{name}_norm"] = nn.BatchNorm2d(layer.out_channels)
        elif isinstance(layer, nn.Linear) and layer is not last:
            layers[f"{name}_norm"] = nn.BatchNorm1d(layer.out_features)
    return nn.Sequential(layers).to(memory_format=torch.channels_last)


def without_batch_norm(network: nn.Sequential) -> nn.Sequential:
    """The plain network that computes what ``network`` computes in eval mode."""
    layers = dict(copy.deepcopy(network).eval().named_children())
    for name, layer in list(layers.items()):
        norm = layers.pop(f"{name}_norm", None)
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[name] = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
            layers[name] = fuse_linear_bn_eval(layer, norm)
    return nn.Sequential(OrderedDict(layers)).eval()


# --- training ----------------------------------------------------------------------------


def train(network: nn.Sequential, photos: Photos, val_photos: Photos, settings: Settings) -> nn.Sequential:
    """Train ``network`` in place; returns the running average of its weights, in eval mode."""
    device = next(network.parameters()).device
    precision = fast_precision(device)
    count = len(photos.labels)
    total_steps = settings.epochs * math.ceil(count / settings.batch)
    optimiser = torch.optim.AdamW(parameter_groups(network, settings.weight_decay), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=settings.learning_rate, total_steps=total_steps, pct_start=0.2
    )
    augment = Augmentation(settings, len(photos.classes))
    averaged = copy.deepcopy(network).eval()
    print(f"{count} photos, {len(val_photos.labels)} to measure on, {device}, {precision}")
    started = time.monotonic()
    step = 0
    for epoch in range(settings.epochs):
        side = side_at(epoch / settings.epochs)
        network.train()
        loss_sum = torch.zeros((), device=device)
        order = torch.randperm(count, generator=augment.rng)
        for images, labels in batches(photos, settings.batch, device, order):
            mixed, targets = augment(images, labels, side)
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                logits = network(normalise(mixed))
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=settings.label_smoothing)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            step += 1
            # A short memory at first, or the average would remember the random weights.
            follow(averaged, network, min(settings.ema_decay, step / (step + 10)))
            loss_sum += loss.detach() * len(labels)
        done = epoch + 1
        line = f"epoch {done}/{settings.epochs}  {side} px  loss {float(loss_sum) / count:.3f}"
        # Not after every epoch: measuring takes time too.
        if done % 3 == 0 or done == settings.epochs:
            line += f"  val {accuracy(averaged, val_photos, precision):.4f}"
        print(f"{line}  {time_left(started, done, settings.epochs)}", flush=True)
    return averaged


def side_at(progress: float) -> int:
    return [side for start, side in RESOLUTIONS if progress >= start][-1]


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights decay; biases and the scales of batch norm do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


@torch.no_grad()
def follow(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the running average of the weights, and of batch norm's statistics, one step."""
    for average, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if average.is_floating_point():
            average.lerp_(value, 1 - decay)
        else:
            average.copy_(value)


def time_left(started: float, done: int, epochs: int) -> str:
    minutes = (time.monotonic() - started) / 60
    return f"{minutes:.1f} min done, about {minutes / done * (epochs - done):.1f} left"


@torch.inference_mode()
def accuracy(network: nn.Sequential, photos: Photos, precision: torch.dtype) -> float:
    """The share of photos whose highest output is their class, each photo seen once, whole."""
    device = next(network.parameters()).device
    right = 0
    everything = torch.arange(len(photos.labels))
    for images, labels in batches(photos, 128, device, everything):
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            predicted = network(normalise(images)).argmax(1)
        right += int((predicted == labels).sum())
    return right / len(photos.labels)


def fast_precision(device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU, and on a processor that multiplies it faster than float32."""
    if device.type == "cuda":
        return torch.bfloat16
    seconds = {}
    for precision in (torch.float32, torch.bfloat16):
        matrix = torch.ones(768, 768, dtype=precision)
        matrix @ matrix
        started = time.perf_counter()
        for _ in range(4):
            matrix @ matrix
        seconds[precision] = time.perf_counter() - started
    return min(seconds, key=lambda precision: seconds[precision])


# --- writing -----------------------------------------------------------------------------


def contiguous(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}


def save(network: nn.Module, out: Path, classes: tuple[str, ...], settings: Settings) -> None:
    """Weights as float16 safetensors, with what made them as metadata."""
    halves = {name: tensor.half() for name, tensor in contiguous(network).items()}
    made_by = {
        "architecture": "alexnet_mini",
        "classes": classes,
        "settings": dataclasses.asdict(settings),
        "torch": torch.__version__,
    }
    # One entry, because safetensors writes several in no fixed order and the digest would vary.
    metadata = {"training": json.dumps(made_by)}
    safetensors.torch.save_file(halves, out, metadata)


if __name__ == "__main__":
    main()
