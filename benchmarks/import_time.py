"""What waiting for imports costs: python benchmarks/import_time.py

Prints the CPU seconds of fresh interpreters that import torch, that import the library and use it, and that
answer what needs no network (`--help`, `--version`, a mistyped option): the least of several, for the first
ones read from a cold disk. Then the modules that the library takes the most of its time for, on top of torch.
Exit status 1 where an answer takes half the CPU of importing torch, or more.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")
ANSWERS = ("--help", "--version", "alexnet --layers fc6", "compare --hlp", "layer alexnet")
USED = "import torch; import invert; invert.run"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what waiting for imports costs.")
    parser.add_argument("--repeat", type=int, default=5, help="fresh interpreters each (default: 5)")
    repeat = parser.parse_args().repeat
    torch = seconds("import torch", repeat)
    print(f"{torch:6.2f} s  import torch")
    print(f"{seconds(USED, repeat):6.2f} s  {USED}")
    print(f"{seconds('import invert', repeat):6.2f} s  import invert")
    slow = False
    for words in ANSWERS:
        answer = seconds(f"from invert.cli import main; main({words.split()})", repeat)
        print(f"{answer:6.2f} s  invert {words}")
        slow |= answer >= torch / 2
    own = imports(USED)
    of_torch = imports("import torch").keys()
    added = sorted(((own[name], name) for name in own.keys() - of_torch), reverse=True)
    for microseconds, name in added[:8]:
        print(f"  {microseconds / 1000:7.1f} ms  {name}")
    return int(slow)


def seconds(program: str, repeat: int) -> float:
    """CPU seconds, user and system, of the quickest of several interpreters that run a program."""
    found = []
    for _ in range(repeat):
        before = os.times()
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        after = os.times()
        spent = (after.children_user - before.children_user, after.children_system - before.children_system)
        found.append(sum(spent))
    return min(found)


def imports(program: str) -> dict[str, int]:
    """Microseconds of each module's own import in a fresh interpreter."""
    command = [sys.executable, "-X", "importtime", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {m[4]: int(m[1]) for m in LINE.finditer(done.stderr)}


if __name__ == "__main__":
    sys.exit(main())
