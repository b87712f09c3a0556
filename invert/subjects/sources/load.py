"""From what the user wrote to a `Subject`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from invert.errors import RequestError, RunError, unknown
from invert.subjects import classes
from invert.subjects.sources import alexnet_mini, from_file
from invert.subjects.sources import weights as weights_files
from invert.subjects.sources.network import Network, Preprocessing
from invert.subjects.subject import Subject
from invert.subjects.trace import OUTPUT

BUNDLED = "alexnet-mini"

Size = int | Sequence[int]
PerChannel = float | Sequence[float]


def load(
    model: str,
    weights: str | Path | None = None,
    *,
    size: Size | None = None,
    mean: PerChannel | None = None,
    std: PerChannel | None = None,
    labels: str | Path | Sequence[str] | None = None,
    seed: int = 0,
) -> Subject:
    """The network that `model` names, ready to be looked into.

    `model` is `alexnet-mini` (bundled), a torchvision name (also `torchvision:NAME`), `timm:NAME`,
    or `path/to/file.py:factory` (see `from_file`). `weights` is None for the published ones
    (downloaded, with a progress bar), a file, or "random": drawn from `seed`, leaving the global
    generators as they were. Preprocessing and class names come from the metadata of the published
    weights; `size` (a side, (H, W) or (C, H, W)), `mean` and `std` override it, and `labels` names the
    classes (a file with one name a line, or the names).

    Raises `RequestError` for what is not there or does not fit, `RunError` where the published
    weights cannot be downloaded.
    """
    network = _find(model, size, mean, std, seed)
    module, source = _weighted(network, model, weights, seed)
    preprocessing = network.preprocessing
    subject = Subject(
        module,
        name=model,
        weights=source,
        input_shape=preprocessing.input_shape,
        mean=preprocessing.mean if mean is None else _numbers(mean),
        std=preprocessing.std if std is None else _numbers(std),
        crop=preprocessing.crop,
        interpolation=preprocessing.interpolation,
    )
    subject.layer(OUTPUT)  # a size that the network does not take is found here, not in the middle of a run
    subject.classes = _class_names(subject, network, labels)
    return subject


def wrap(
    module: nn.Module,
    *,
    size: Size,
    mean: PerChannel,
    std: PerChannel,
    classes: Sequence[str] | None = None,
    name: str | None = None,
) -> Subject:
    """One's own network as it is now, ready to be looked into.

    The subject works on a deep copy, in evaluation mode and frozen: `module` can go on training, and
    its flags stay as they are. `size` is a side, (H, W) or (C, H, W); without C there are as many
    channels as `mean` has values, or else as the first convolution takes. The network expects
    `(image - mean) / std` for images in [0, 1]; a number holds for all channels.
    """
    name = name or type(module).__name__
    try:
        twin = copy.deepcopy(module)
    except Exception as error:
        raise RequestError(f"{name} cannot be copied: {str(error).splitlines()[0]}") from error
    subject = Subject(
        twin,
        name=name,
        weights="as given",
        input_shape=_shape(size, _channels(module, mean, std)),
        mean=_numbers(mean),
        std=_numbers(std),
    )
    if classes is not None:
        subject.classes = _named(subject, classes, "classes")
    return subject


def names() -> list[str]:
    """The models that go by a bare name: the bundled one and torchvision's. (timm's: `timm.list_models`.)"""
    from invert.subjects.sources import from_torchvision  # takes seconds to import

    return [BUNDLED, *from_torchvision.names()]


def _find(
    model: str, size: Size | None, mean: PerChannel | None, std: PerChannel | None, seed: int
) -> Network:
    if model == BUNDLED:
        return _bundled(_sides(size))
    if match := re.fullmatch(r"(.+\.py)(?::(.*))?", model, re.DOTALL):
        return _own(match[1], match[2] or "", size, mean, std, seed)
    if model.startswith("timm:"):
        from invert.subjects.sources import from_timm  # takes seconds to import

        return from_timm.find(model.removeprefix("timm:"), _sides(size))
    from invert.subjects.sources import from_torchvision  # so does this

    name = model.removeprefix("torchvision:")
    if name not in from_torchvision.names():
        raise _unknown(name)
    return from_torchvision.find(name, _sides(size))


def _unknown(name: str) -> RequestError:
    import timm  # takes seconds

    if timm.is_model(name):
        return RequestError(
            f"unknown model {name!r}: torchvision has none of that name; did you mean timm:{name}?"
        )
    hint = "or timm:NAME, or path/to/file.py:factory; `invert models` lists them"
    return unknown("model", name, names(), hint)


def _bundled(size: tuple[int, int] | None) -> Network:
    def published() -> nn.Module:
        try:
            return alexnet_mini.trained_alexnet_mini()
        except OSError as error:
            raise RunError(
                f"the bundled weights are missing from this installation ({error}): reinstall invert"
            ) from error

    return Network(
        build=lambda count: alexnet_mini.alexnet_mini(count or len(alexnet_mini.CLASSES)),
        published=published,
        source="bundled",
        classes=alexnet_mini.CLASSES,
        preprocessing=Preprocessing(
            input_shape=(3, *(size or (alexnet_mini.SIZE, alexnet_mini.SIZE))),
            mean=alexnet_mini.MEAN,
            std=alexnet_mini.STD,
        ),
    )


def _own(
    path: str, factory: str, size: Size | None, mean: PerChannel | None, std: PerChannel | None, seed: int
) -> Network:
    with _seeded(seed):
        build, constants = from_file.load(path, factory)
        module = build()
    size = constants.get("SIZE") if size is None else size
    mean = constants.get("MEAN", 0.0) if mean is None else mean
    std = constants.get("STD", 1.0) if std is None else std
    if size is None:
        raise RequestError(
            f"the input size of {path}:{factory} is not known: give --size, or SIZE = … in the file"
        )
    return Network(
        build=lambda _count: _reset(module),
        published=lambda: module,
        source=f"as made by {factory}, seed {seed}",
        classes=constants.get("CLASSES"),
        preprocessing=Preprocessing(
            _shape(size, _channels(module, mean, std)), _numbers(mean), _numbers(std)
        ),
        own_classes=True,
    )


def _reset(module: nn.Module) -> nn.Module:
    """`module` with the weights drawn anew, whatever its factory has loaded."""
    for part in module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return module


def _weighted(network: Network, name: str, weights: str | Path | None, seed: int) -> tuple[nn.Module, str]:
    """The network with the weights asked for, and the words for where they came from."""
    with _seeded(seed):
        if weights is None:
            return network.published(), network.source
        if str(weights) == "random":
            return network.build(None), f"random, seed {seed}"
        return _from_file(network, name, weights), f"file {Path(weights).name}"


def _from_file(network: Network, name: str, path: str | Path) -> nn.Module:
    """The network with the weights in a file, whose values are read once the shapes are the network's."""
    what = f"weights {str(path)!r}"
    module = network.build(None)
    state = weights_files.without_prefix(weights_files.read(path, weights_files.most_bytes(module)), module)
    count = weights_files.class_count(module, state) if not network.own_classes else None
    if count is not None:  # a head that was trained for other classes
        module = network.build(count)
    problem = weights_files.misfit(module, state)
    if problem and network.adapt is not None and weights_files.is_of_its_size(state, module):
        weights_files.check_finite(state, what)
        try:
            return network.adapt(state, count)
        except Exception:  # not a checkpoint in the authors' format either: report the plain misfit
            pass
    if problem:
        raise RequestError(f"{what} does not fit {name}: {problem}")
    weights_files.check_finite(state, what)
    module.load_state_dict(state)
    return module


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within, torch draws from `seed`; afterwards the global generator is as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _class_names(
    subject: Subject, network: Network, labels: str | Path | Sequence[str] | None
) -> tuple[str, ...] | None:
    if isinstance(labels, (str, Path)):
        return _named(subject, classes.read(labels), f"labels {str(labels)!r}")
    if labels is not None:
        return _named(subject, labels, "labels")
    if network.classes is None:
        return None
    if network.own_classes:
        return _named(subject, network.classes, "CLASSES")
    # A head of another size was trained for other classes than the published one.
    return network.classes if subject.layer(OUTPUT).shape == (len(network.classes),) else None


def _named(subject: Subject, names: Sequence[str], what: str) -> tuple[str, ...]:
    """`names` for the outputs of `subject`, if there is one for each."""
    shape = subject.layer(OUTPUT).shape
    if len(shape) != 1:
        raise RequestError(f"{what}: {subject.name} is no classifier, its output is {shape}")
    if len(names) != shape[0]:
        raise RequestError(f"{what}: {len(names)} names for {shape[0]} classes")
    # Names are shown at a terminal: one line each, and nothing that a terminal obeys.
    return tuple("".join(c if c.isprintable() else " " for c in str(name)).strip() for name in names)


def _channels(module: nn.Module, mean: PerChannel, std: PerChannel) -> int:
    """As many as `mean` or `std` has values, or else as the first convolution takes; 3 without one."""
    values = max(len(_numbers(mean)), len(_numbers(std)))
    convolutions = (part.in_channels for part in module.modules() if isinstance(part, nn.Conv2d))
    return values if values > 1 else next(convolutions, 3)


def _shape(size: Size, channels: int) -> tuple[int, int, int]:
    """(C, H, W) of a size given as a side, (H, W) or (C, H, W)."""
    try:
        sides = (size, size) if isinstance(size, int) else tuple(int(side) for side in size)
    except (TypeError, ValueError):
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise RequestError(f"a size is a side, (H, W) or (C, H, W), each at least 1, not {size!r}")
    return sides[-3] if len(sides) == 3 else channels, sides[-2], sides[-1]


def _sides(size: Size | None) -> tuple[int, int] | None:
    return None if size is None else _shape(size, channels=0)[1:]


def _numbers(values: PerChannel) -> tuple[float, ...]:
    try:
        return tuple(float(v) for v in ([values] if isinstance(values, (int, float)) else values))
    except (TypeError, ValueError):
        raise RequestError(f"mean and std are numbers, one or one a channel, not {values!r}") from None
