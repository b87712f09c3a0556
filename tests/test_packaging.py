"""What is released: what is in the wheel and the sdist, and that a wheel works outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import invert
from invert import library

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    (ROOT, "invert"),
    (ROOT / "priors", "invert_priors"),
    (ROOT / "reports", "invert_reports"),
)
MEGABYTE = 1_000_000


def run(*words: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH",)}
    environment["OMP_NUM_THREADS"] = "1"
    command = list(map(str, words))
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an sdist, and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def elsewhere(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it, and our own one's packages behind."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", symlinks=True)
    binaries = folder / "venv" / "bin"
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    behind = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(behind))
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", binaries / "python", "--disable-pip-version-check"]
    foreign = foreign_reports(folder)
    words = ["--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    run(*pip, "install", *words, foreign, wheel, cwd=folder)
    return binaries


def foreign_reports(folder: Path) -> Path:
    """The wheel of somebody else's package `reports`, as the registry of Python packages has one."""
    wheel = folder / "reports-1.0-py3-none-any.whl"
    about = "reports-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("reports/__init__.py", "WHOSE = 'somebody else'\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: reports\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return wheel


def test_the_wheel_holds_all_it_needs_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {
        "invert/py.typed",
        "invert_priors/py.typed",
        "invert_reports/py.typed",
        "invert/subjects/sources/alexnet_mini.safetensors",
        "invert/measures/mean_photo.json",
        "invert_reports/html/template.html",
        "invert_reports/html/style.css",
        "invert_reports/html/script/page.js",
    } <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "invert",
        "invert_priors",
        "invert_reports",
    }
    assert not [name for name in names if "test_" in name or "__pycache__" in name or name.endswith(".png")]
    in_checkout = {
        path.relative_to(root).as_posix()
        for root, package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert in_checkout <= set(names)
    assert wheel.stat().st_size <= 6 * MEGABYTE


def test_the_sdist_holds_what_it_takes_to_build_and_test(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "Makefile",
        "docs/index.md",
        "examples/plugin/pyproject.toml",
        "tests/test_packaging.py",
    } <= names
    assert not [name for name in names if name.startswith((".git/", "demo/", "docs/_build"))]
    assert sdist.stat().st_size <= 8 * MEGABYTE


def test_the_metadata_is_complete(dist: Path) -> None:
    checked = run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)
    assert checked.count("PASSED") == 2
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(metadata).decode())
    assert headers["License-Expression"] == "Apache-2.0"
    assert headers["Requires-Python"] == ">=3.10"
    assert headers["Summary"] and headers["Description-Content-Type"] == "text/markdown"


def test_it_is_used_outside_the_checkout(elsewhere: Path, own_network: str, tmp_path: Path) -> None:
    assert "invert MODEL --layer fc6" in run(elsewhere / "invert", "--help", cwd=tmp_path)
    words = ["--layer", "conv", "--prior", "tv", "--steps", 2, "--out", "out", "--quiet"]
    run(elsewhere / "invert", own_network, *words, cwd=tmp_path)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["status"] == "done"
    assert (tmp_path / "out" / "report.html").is_file()


def test_it_lies_beside_another_s_reports(elsewhere: Path, tmp_path: Path) -> None:
    (packages,) = elsewhere.parent.glob("lib/python*/site-packages")
    ours = {"invert", "invert_priors", "invert_reports"}
    assert ours | {"reports"} <= {path.name for path in packages.iterdir()}
    look = "import reports, invert_reports; print(reports.WHOSE, invert_reports.write_page.__module__)"
    seen = run(elsewhere / "python", "-c", look, cwd=tmp_path)
    assert seen.split() == ["somebody", "else", "invert_reports.html.page"]


SCRIPT = """
import priors, reports
import invert

subject = invert.load(MODEL)
found = invert.run(subject, invert.FeatureMatch("conv", PHOTO), prior="tv", steps=2)
print(priors.MINE, reports.MINE, tuple(found.image.shape))
"""


@pytest.mark.parametrize("form", ["package", "module"])
def test_it_works_where_the_user_s_own_files_are_called_priors_and_reports(
    form: str, elsewhere: Path, own_network: str, tmp_path: Path
) -> None:
    """Python looks in a script's folder first: what lies there must not be taken for ours."""
    (tmp_path / "priors.py").write_text("MINE = 'my priors'\n")
    mine = tmp_path / ("reports.py" if form == "module" else "reports/__init__.py")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("MINE = 'my reports'\n")
    (tmp_path / "script.py").write_text(
        f"from invert.photos import default_photo\nMODEL, PHOTO = {own_network!r}, default_photo()\n{SCRIPT}"
    )
    words = [own_network, "--layer", "conv", "--prior", "tv", "--steps", 2, "--quiet"]
    run(elsewhere / "invert", *words, "--out", "by-command", cwd=tmp_path)
    run(elsewhere / "python", "-m", "invert", *words, "--out", "by-module", cwd=tmp_path)
    for out in ("by-command", "by-module"):
        assert json.loads((tmp_path / out / "report.json").read_text())["status"] == "done"
        assert (tmp_path / out / "report.html").is_file()
    printed = run(elsewhere / "python", "script.py", cwd=tmp_path)
    assert printed.splitlines()[-1] == "my priors my reports (1, 3, 32, 32)"


LOOK = """
import json, sys
import torch
before, threads = torch.get_rng_state(), torch.get_num_threads()
import invert, invert_priors, invert_reports
print(json.dumps({
    "files": [invert.__file__, invert_priors.__file__, invert_reports.__file__],
    "undisturbed": torch.equal(before, torch.get_rng_state()) and threads == torch.get_num_threads(),
    "subject": invert.load("alexnet-mini").weights,
}))
"""


def test_import_is_silent_and_without_side_effects(elsewhere: Path, tmp_path: Path) -> None:
    printed = run(elsewhere / "python", "-W", "error", "-c", "import invert; invert.run", cwd=tmp_path)
    assert printed == ""
    seen = json.loads(run(elsewhere / "python", "-c", LOOK, cwd=tmp_path))
    assert all(str(elsewhere.parent) in file for file in seen["files"])
    assert seen["undisturbed"]
    assert seen["subject"] == "bundled"


@pytest.mark.parametrize(
    ("used", "heavy"),
    [
        ("import invert", {"torch"}),
        ("import invert_reports", {"torch", "matplotlib"}),
        ("import invert; invert.run", {"torchvision", "timm", "captum", "matplotlib", "pandas", "scipy"}),
    ],
)
def test_import_leaves_the_heavy_packages_for_when_they_are_used(
    used: str, heavy: set[str], tmp_path: Path
) -> None:
    look = f"import sys; {used}; print({heavy} & set(sys.modules) or 'none')"
    assert run(sys.executable, "-c", look, cwd=tmp_path).strip() == "none"


def test_import_shows_what_the_library_has() -> None:
    assert sorted(invert.__all__) == sorted(library.__all__)
    assert all(
        getattr(invert, name) is getattr(library, name) for name in dir(invert) if name in library.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        invert.nothing  # noqa: B018


def test_the_examples_type_check_against_the_wheel(elsewhere: Path, tmp_path: Path) -> None:
    scripts = sorted((ROOT / "examples").rglob("*.py"))
    words = ["--strict", "--python-executable", elsewhere / "python", "--config-file", os.devnull]
    cache = ["--cache-dir", ROOT / ".cache" / "mypy-examples"]
    assert "Success" in run(sys.executable, "-m", "mypy", *words, *cache, *scripts, cwd=tmp_path)
