"""A network from the user's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from invert.errors import RequestError
from invert.subjects import load

SMALL = """
import torch
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 30 * 30, 3))
"""


def write(folder: Path, text: str) -> str:
    (folder / "net.py").write_text(text)
    return str(folder / "net.py")


def test_a_small_network_of_one_channel(tmp_path: Path) -> None:
    subject = load(write(tmp_path, SMALL) + ":small", size=32)
    assert subject.input_shape == (1, 32, 32) and (subject.mean, subject.std) == ((0.0,), (1.0,))
    assert subject.weights == "as made by small, seed 0"
    assert subject.activations(torch.rand(2, 1, 32, 32), ["0"])["0"].shape == (2, 4, 30, 30)
    assert subject.image(torch.rand(3, 40, 50)).shape == (1, 1, 32, 32)
    assert [len(row) for row in subject.top(torch.rand(2, 1, 32, 32))] == [3, 3]


def test_what_the_file_says_and_the_command_line_overrides(tmp_path: Path) -> None:
    constants = "SIZE = 32\nMEAN, STD = 0.25, 0.5\nCLASSES = ('cat', 'dog', 'cow')\n"
    path = write(tmp_path, SMALL + constants)
    subject = load(f"{path}:small", std=0.75)
    assert (subject.mean, subject.std, subject.classes) == ((0.25,), (0.75,), ("cat", "dog", "cow"))


def test_its_weights_are_seeded_and_leave_the_global_generator_alone(tmp_path: Path) -> None:
    model = write(tmp_path, SMALL) + ":small"
    before = torch.random.get_rng_state()
    digests = [
        load(model, weights, size=32, seed=seed).sha256
        for weights, seed in ((None, 0), (None, 0), (None, 1), ("random", 0), ("random", 0))
    ]
    assert digests[0] == digests[1] != digests[2]
    assert digests[3] == digests[4]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_random_means_random_whatever_the_factory_loads(tmp_path: Path) -> None:
    path = write(
        tmp_path, SMALL + "def zero():\n    m = small()\n    nn.init.zeros_(m[0].weight)\n    return m\n"
    )
    assert load(f"{path}:zero", size=32).model[0].weight.abs().sum() == 0
    assert load(f"{path}:zero", "random", size=32).model[0].weight.abs().sum() > 0


def test_weights_from_a_file(tmp_path: Path) -> None:
    model = write(tmp_path, SMALL) + ":small"
    trained = load(model, size=32, seed=5)
    save_file(trained.model.state_dict(), tmp_path / "small.safetensors")
    subject = load(model, tmp_path / "small.safetensors", size=32)
    assert subject.sha256 == trained.sha256 and subject.weights == "file small.safetensors"


def test_it_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_net.py").write_text(SMALL)
    load(write(tmp_path, "from neighbour_of_net import small as make\nSIZE = 32\n") + ":make")


@pytest.mark.parametrize(
    ("text", "factory", "message"),
    [
        (SMALL, ":smal", "unknown factory 'smal': did you mean small?"),
        (SMALL, "", "say which function makes the network (FILE:small)"),
        (SMALL, ":small", "the input size of FILE:small is not known: give --size"),
        ("x = 1\nraise KeyError('gone')\n", ":make", "FILE:2: KeyError: 'gone'"),
        (
            "def make():\n    y = 1\n    return y / 0\n",
            ":make",
            "FILE:3: ZeroDivisionError: division by zero",
        ),
        ("def make(:\n", ":make", "FILE:1: SyntaxError"),
        ("raise SystemExit(3)\n", ":make", "FILE:1: SystemExit: 3"),
        ("import no_such_module\n", ":make", "FILE:1: ModuleNotFoundError"),
        ("def make():\n    return 3\n", ":make", "FILE:make made a int, not a torch.nn.Module"),
        (SMALL + "SIZE = 'big'\n", ":small", "a size is a side"),
        (SMALL + "SIZE = 32\nCLASSES = ('cat',)\n", ":small", "CLASSES: 1 names for 3 classes"),
        (SMALL + "SIZE = 28\n", ":small", "does not take images of 1 × 28 × 28"),
    ],
)
def test_a_file_that_does_not_work_is_one_line(tmp_path: Path, text: str, factory: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RequestError) as caught:
        load(path + factory)
    assert message.replace("FILE", path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_file_has_its_size(tmp_path: Path) -> None:
    with (tmp_path / "net.py").open("wb") as file:
        file.truncate(2**24 + 1)
    with pytest.raises(RequestError, match=r"net\.py': 16,777,217 bytes, over 16,777,216"):
        load(f"{tmp_path / 'net.py'}:net")
