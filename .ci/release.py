"""A release by one command: make release VERSION=0.2.0

It writes the version and its date where they are said (pyproject.toml, CITATION.cff, CHANGELOG.md), builds
the sdist and the wheel from that, checks both, notes their digests, and commits and tags. What leaves this
machine it only prints: the push, the attestations and the upload are yours to make.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from datetime import date, datetime, timezone
from pathlib import Path

VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def main(version: str, root: Path, *build_options: str) -> None:
    today = datetime.now(timezone.utc).date()
    if status := git(root, "status", "--porcelain"):
        raise SystemExit(f"release: there are changes that are not committed:\n{status}")
    if git(root, "tag", "--list", f"v{version}"):
        raise SystemExit(f"release: v{version} is there already")
    for name, text in said_anew(root, version, today).items():
        (root / name).write_text(text, encoding="utf-8")
    dist = root / "dist"
    for old in dist.glob("*"):
        old.unlink()
    run(root, sys.executable, "-m", "build", *build_options, "--outdir", dist, root)
    made = sorted(dist.glob("invert-*"))
    run(root, sys.executable, "-m", "twine", "check", "--strict", *made)
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in made)
    (dist / "SHA256SUMS").write_text(sums)
    git(root, "commit", "--all", "--message", f"Release {version}")
    git(root, "tag", "--annotate", f"v{version}", "--message", f"invert {version}")
    print(f"{sums}v{version} is committed and tagged. To publish it:")
    print(f"  git push origin HEAD v{version}")
    files = " ".join(f"dist/{file.name}" for file in made)
    print(f"  python -m pypi_attestations sign {files}   # PEP 740, by Sigstore")
    print("  twine upload --attestations dist/invert-*")


def said_anew(root: Path, version: str, today: date) -> dict[str, str]:
    """The files that say the version, as they will be. Raises `SystemExit` where one says it otherwise."""
    if not VERSION.fullmatch(version):
        raise SystemExit(f"release: {version!r} is no version such as 0.2.0 or 0.2.0rc1")
    return {
        "pyproject.toml": once(root / "pyproject.toml", r'^version = ".*"$', f'version = "{version}"'),
        "CITATION.cff": once(
            root / "CITATION.cff", r"^version: .*$(\ndate-released: .*$)?",
            f"version: {version}\ndate-released: {today}",
        ),
        "CHANGELOG.md": once(
            root / "CHANGELOG.md", r"^## Unreleased\n\n(?=-)", f"## Unreleased\n\n## {version}, {today}\n\n"
        ),
    }  # fmt: skip


def once(file: Path, pattern: str, by: str) -> str:
    text, changed = re.subn(pattern, by, file.read_text(encoding="utf-8"), flags=re.M)
    if changed != 1:
        raise SystemExit(f"release: {file.name} says its version, or what is unreleased, {changed} times")
    return text


def git(root: Path, *words: str) -> str:
    return run(root, "git", *words).strip()


def run(root: Path, *words: object) -> str:
    done = subprocess.run([*map(str, words)], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"release: {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(sys.argv[1], Path(__file__).resolve().parents[1], *sys.argv[2:])
