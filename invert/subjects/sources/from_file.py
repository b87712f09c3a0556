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
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from invert.errors import InvertError, RequestError, unknown
from invert.foreign import foreign
from invert.subjects.sources.network import Given, Network, seeded
from invert.subjects.sources.preprocessing import Preprocessing, channels, input_shape, numbers
from invert.subjects.tensors import unusable

_before: dict[str, frozenset[str]] = {}
"""The folders of model files, and the modules that were there before the first of each was run."""


def parse(model: str) -> tuple[str, str] | None:
    """The file and the factory that MODEL names, or None where it is of another form."""
    match = re.fullmatch(r"(.+\.py)(?::(.*))?", model, re.DOTALL)
    return match and (match[1], match[2] or "")


def find(path: str, factory: str, given: Given) -> Network:
    """The network that the factory makes, with what the file says of it where the user says nothing."""
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
        program=sha256(Path(path).read_bytes()).hexdigest(),
        own_classes=True,
    )


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
    if not file.is_file():
        reason = "not a regular file" if file.exists() else "there is no such file"
        raise RequestError(f"model file {path!r}: {reason}")
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
        with foreign():
            yield
    except (InvertError, KeyboardInterrupt):
        raise
    except BaseException as error:  # sys.exit, too, and exceptions that are no `Exception`
        text = (str(error).strip() or "no message").splitlines()[0]
        raise RequestError(f"{file}:{_line(error, file)}: {type(error).__name__}: {text}") from error
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
    lines = [f.lineno for f in frames if Path(f.filename).resolve() == file.resolve() and f.lineno]
    return lines[-1] if lines else 1
