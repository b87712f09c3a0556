"""A release by one command, tried on a copy of this checkout."""

from __future__ import annotations

import hashlib
import runpy
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("CITATION.cff", "LICENSE", "Makefile", "llms.txt", "pyproject.toml", *ROOT.glob("*.md"))

UNTOLD = "sed -i '/^## Unreleased/d' CHANGELOG.md && git -c user.name=t -c user.email=t@t commit -qam -"


@pytest.fixture
def release() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "release.py"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with this one's own words about its version, and hardly any code to build."""
    root = tmp_path / "checkout"
    root.mkdir()
    for name in COPIED:
        shutil.copy(ROOT / name, root)
    for package in ("invert", "priors/invert_priors", "reports/invert_reports"):
        (root / package).mkdir(parents=True)
        (root / package / "__init__.py").touch()
    (root / ".gitignore").write_text("dist/\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        git(root, *words)
    return root


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def test_it_builds_checks_and_tags(
    release: dict[str, Any],
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for part in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{part}_NAME", "t")
        monkeypatch.setenv(f"GIT_{part}_EMAIL", "t@example.org")
    release["main"]("0.2.0", checkout, "--no-isolation")
    made = {file.name: file for file in (checkout / "dist").iterdir()}
    assert set(made) == {"invert-0.2.0-py3-none-any.whl", "invert-0.2.0.tar.gz", "SHA256SUMS"}
    wheel = made["invert-0.2.0-py3-none-any.whl"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert f"{digest}  {wheel.name}\n" in made["SHA256SUMS"].read_text()
    with zipfile.ZipFile(wheel) as archive:
        assert "\nVersion: 0.2.0\n" in archive.read("invert-0.2.0.dist-info/METADATA").decode()
    assert "version: 0.2.0\ndate-released: 20" in (checkout / "CITATION.cff").read_text()
    head = (checkout / "CHANGELOG.md").read_text().split("\n- ")[0]
    assert "## Unreleased\n\n## 0.2.0, 20" in head
    assert git(checkout, "tag").strip() == "v0.2.0" and git(checkout, "status", "--porcelain") == ""
    told = capsys.readouterr().out
    assert "pypi_attestations sign dist/invert-0.2.0-py3-none-any.whl" in told and "twine upload" in told


@pytest.mark.parametrize(
    ("version", "before", "told"),
    [
        ("0.2", "", "no version such as"),
        ("0.2.0", "echo more >> README.md", "not committed"),
        ("0.2.0", "git tag v0.2.0", "is there already"),
        (
            "0.2.0",
            UNTOLD,
            "0 times",
        ),
    ],
)
def test_what_is_not_ready_is_not_released(
    release: dict[str, Any], checkout: Path, version: str, before: str, told: str
) -> None:
    subprocess.run(before or "true", shell=True, cwd=checkout, check=True)
    there = git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")
    with pytest.raises(SystemExit, match=told):
        release["main"](version, checkout)
    assert there == (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain"))
