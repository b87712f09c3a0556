"""From what the user wrote to a `Subject`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from invert.errors import RequestError
from invert.foreign import blamed_on
from invert.subjects import classes
from invert.subjects.sources import table
from invert.subjects.sources import weights as weights_files
from invert.subjects.sources.network import Given, Network, seeded
from invert.subjects.sources.preprocessing import PerChannel, Size, channels, input_shape, numbers
from invert.subjects.subject import Subject
from invert.subjects.trace import OUTPUT


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
    with blamed_on(model, RequestError):
        return _load(model, weights, Given(size, mean, std, seed), labels)


def _load(
    model: str, weights: str | Path | None, given: Given, labels: str | Path | Sequence[str] | None
) -> Subject:
    network = table.find(model, given)
    module, source = _weighted(network, model, weights, given.seed)
    preprocessing = network.preprocessing
    subject = Subject(
        module,
        name=model,
        weights=source,
        input_shape=preprocessing.input_shape,
        mean=preprocessing.mean if given.mean is None else numbers(given.mean),
        std=preprocessing.std if given.std is None else numbers(given.std),
        crop=preprocessing.crop,
        interpolation=preprocessing.interpolation,
    )
    subject.program = network.program
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
        input_shape=input_shape(size, channels(module, mean, std)),
        mean=numbers(mean),
        std=numbers(std),
    )
    if classes is not None:
        subject.classes = _named(subject, classes, "classes")
    return subject


def _weighted(network: Network, name: str, weights: str | Path | None, seed: int) -> tuple[nn.Module, str]:
    """The network with the weights asked for, and the words for where they came from."""
    with seeded(seed):
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
    in_kind = not weights_files.of_another_kind(module, state)  # an adapter would convert it without a word
    if problem and in_kind and network.adapt is not None and weights_files.is_of_its_size(state, module):
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
    if not isinstance(names, Sequence) or isinstance(names, (str, bytes)):
        raise RequestError(
            f"{what}: a {type(names).__name__} does not say which output is which; make it a list of names"
        )
    if len(names) != shape[0]:
        raise RequestError(f"{what}: {len(names)} names for {shape[0]} classes")
    # Names are shown at a terminal: one line each, and nothing that a terminal obeys.
    return tuple("".join(c if c.isprintable() else " " for c in str(name)).strip() for name in names)
