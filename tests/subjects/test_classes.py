"""A class goes by its index, its name, or a part of it that no other has."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from invert.errors import RequestError
from invert.subjects import Subject, classes, load, wrap

NAMES = ("zebra", "golf ball", "golf cart", "Tench", "crane", "crane", "sea lion", "lion", "ox")


@pytest.fixture(scope="module")
def subject() -> Subject:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, len(NAMES)))
    return wrap(module, size=2, mean=0, std=1, classes=NAMES, name="zoo")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        *[("0", 0), (8, 8), (" 3 ", 3)],
        *[("zebra", 0), ("golf ball", 1), ("lion", 7)],
        *[("GOLF BALL", 1), ("tench", 3)],
        *[("sea", 6), ("cart", 2)],
        *[("zeb", 0), ("tenc", 3)],
    ],
)
def test_what_means_a_class(subject: Subject, text: str | int, index: int) -> None:
    assert subject.class_index(text) == index


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("golf", "class 'golf' means several: golf ball (1), golf cart (2)"),
        ("crane", "class 'crane' means several: crane (4), crane (5)"),
        ("9", "class 9 is not there: zoo has 0 to 8"),
        ("-1", "class -1 is not there"),
        ("zebar", "unknown class 'zebar': did you mean zebra"),
        ("", "unknown class ''"),
        ("a.b(", "unknown class"),
    ],
)
def test_what_means_none_or_several(subject: Subject, text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        subject.class_index(text)
    assert message in str(caught.value)


def test_without_names_there_are_indices(subject: Subject) -> None:
    nameless = wrap(subject.model, size=2, mean=0, std=1)
    assert nameless.class_index("4") == 4
    with pytest.raises(RequestError, match="has no class names; say 0 to 8, or give labels"):
        nameless.class_index("zebra")


@pytest.mark.parametrize("text", ["\n".join(NAMES), "\ufeff" + "\r\n".join(NAMES) + "\r\n\r\n"])
def test_labels_from_a_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.txt").write_bytes(text.encode())
    (tmp_path / "net.py").write_text(
        "from torch import nn\nmake = lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 9))"
    )
    assert load(f"{tmp_path}/net.py:make", size=2, labels=tmp_path / "labels.txt").classes == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntwo\n", "2 names for 10 classes"),
        (b"", "0 names for 10 classes"),
        (b"\xff\xfe\x00", "not a UTF-8 text file"),
        (None, "there is no such file"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=message):
        load("alexnet-mini", weights="random", labels=path)


def test_a_name_of_a_megabyte_is_found_without_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """To compile one of it takes seconds."""
    names = ["x" * 1_000_000, "cat"]
    monkeypatch.setattr(classes.re, "escape", None)
    assert classes.index(names[0], names, 2, "net") == 0
    with pytest.raises(RequestError, match="unknown class"):
        classes.index("y" * 1_000_001, names, 2, "net")
