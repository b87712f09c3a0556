"""A network of one's own: `path/to/file.py:factory`.

The file is run: it is the user's program. It may say beside the factory what the network expects,
in constants that the command line overrides:

    SIZE = 32                         # H = W; or (H, W), or (C, H, W)
    MEAN, STD = 0.1307, 0.3081        # one number, or one a channel; images stay in [0, 1] without
    CLASSES = ("zero", "one", …)

The factory takes no arguments and returns a module.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from invert.errors import RequestError, unknown
from invert.files import followed, read_regular
from invert.foreign import blamed_on, foreign
from invert.subjects.sources.network import Given, Network, seeded
from invert.subjects.sources.preprocessing import Preprocessing, channels, input_shape, numbers
from invert.subjects.tensors import unusable

MOST_BYTES = 2**24
"""No program is larger."""

_before: dict[str, frozenset[str]] = {}
"""The folders of model files, and the modules that were there before the first of each was run."""


def find(path: str, factory: str, given: Given) -> Network:
    """The network that the factory makes, with what the file says of it where the user says nothing."""
    program = _digest(path)
    with seeded(given.seed):
        build, constants = load(path, factory)
        module = build()
    size = constants.get("SIZE") if given.size is None else given.size
    mean = constants.get("MEAN", 0.0) if given.mean is None else given.mean
    std = constants.get("STD", 1.0) if given.std is None else given.std
    if size is None:
        raise RequestError(
            f"the input size of {path}:{factory} is not known: give --size, or SIZE = … in the file"
        )
    return Network(
        build=lambda _count: _reset(module),
        published=lambda: module,
        source=f"as made by {factory}, seed {given.seed}",
        classes=constants.get("CLASSES"),
        preprocessing=Preprocessing(
            input_shape(size, channels(module, mean, std)), numbers(mean), numbers(std)
        ),
        program=program,
        own_classes=True,
    )


def _digest(path: str) -> str:
    """The SHA-256 of a model file. Raises `RequestError` where it is no regular file."""
    try:
        return sha256(read_regular(path, MOST_BYTES)).hexdigest()
    except OSError as error:
        raise RequestError(f"model file {path!r}: {error.strerror or error}") from None


def _reset(module: nn.Module) -> nn.Module:
    """`module` with the weights drawn anew, whatever its factory has loaded."""
    for part in module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return module


def load(path: str, factory: str) -> tuple[Callable[[], nn.Module], dict[str, Any]]:
    """What makes the network, and the constants `SIZE`, `MEAN`, `STD`, `CLASSES` that the file defines.

    Raises `RequestError`, with the file and the line, for whatever the user's code raises.
    """
    file = Path(path)
    _forget_others(str(file.resolve().parent))
    with _blamed_on(file):
        module = _run(file)
    made_here = [
        n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__
    ]
    if not factory:
        choice = ", ".join(f"{path}:{name}" for name in made_here) or "it defines none"
        raise RequestError(f"model file {path!r}: say which function makes the network ({choice})")
    make = getattr(module, factory, None)
    if make is None:
        raise unknown("factory", factory, made_here, f"in {path}")

    def build() -> nn.Module:
        with _blamed_on(file):
            made = make if isinstance(make, nn.Module) else make()
        if not isinstance(made, nn.Module):
            raise RequestError(f"{path}:{factory} made a {type(made).__name__}, not a torch.nn.Module")
        for name, tensor in (*made.named_parameters(), *made.named_buffers()):
            if problem := unusable(tensor):
                raise RequestError(f"{path}:{factory}: {name} {problem}")
        return made

    return build, {k: getattr(module, k) for k in ("SIZE", "MEAN", "STD", "CLASSES") if hasattr(module, k)}


def _run(file: Path) -> ModuleType:
    name = f"invert_model_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@contextmanager
def _blamed_on(file: Path) -> Iterator[None]:
    """Within, the file's folder comes first for imports, and what goes wrong becomes one line with the place.

    Afterwards it comes last: what a forward imports as it runs is found beside the file, and shadows nothing.
    """
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        with blamed_on(lambda error: f"{file}:{_line(error, file)}", RequestError), foreign():
            yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        if folder not in sys.path:
            first = min((sys.path.index(f) for f in _before if f in sys.path), default=len(sys.path))
            sys.path.insert(first, folder)


def _beside(folder: str, names: Set[str]) -> set[str]:
    """Those of the modules that were found in the model file's folder, with what is below them."""

    def is_beside(name: str) -> bool:
        top = name.partition(".")[0]
        place = getattr(sys.modules.get(top), "__file__", None) or ""
        return place in (str(Path(folder, f"{top}.py")), str(Path(folder, top, "__init__.py")))

    return {name for name in names if is_beside(name)}


def _forget_others(folder: str) -> None:
    """Drop what was imported beside other model files, so that this one finds its own module of that name."""
    for other in _before.keys() - {folder}:
        for name in _beside(other, sys.modules.keys() - _before[other]):
            del sys.modules[name]
        if other in sys.path:  # behind this one's
            sys.path.remove(other)
            sys.path.append(other)
    _before.setdefault(folder, frozenset(sys.modules))


def _line(error: BaseException, file: Path) -> int:
    """The line of `file` where it happened: the innermost that is in the file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if followed(f.filename) == followed(file) and f.lineno]
    return lines[-1] if lines else 1
