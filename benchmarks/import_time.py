"""What `import invert` costs on top of `import torch`: python benchmarks/import_time.py

Prints the milliseconds of the fastest of several fresh interpreters (the first ones read from a
cold disk), and the modules that take the most of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what `import invert` costs over `import torch`.")
    parser.add_argument("--repeat", type=int, default=5, help="fresh interpreters (default: 5)")
    repeat = parser.parse_args().repeat
    runs = [imports("torch; import invert") for _ in range(repeat)]
    best = min(runs, key=lambda run: run["invert"][1])
    print(f"import torch   {min(run['torch'][1] for run in runs) / 1000:7.0f} ms")
    print(f"import invert  {best['invert'][1] / 1000:7.0f} ms more")
    of_torch = set(imports("torch"))
    added = sorted(((own, name) for name, (own, _) in best.items() if name not in of_torch), reverse=True)
    for own, name in added[:8]:
        print(f"  {own / 1000:7.1f} ms  {name}")


def imports(what: str) -> dict[str, tuple[int, int]]:
    """Microseconds (own, with what it imports) by module, of `import WHAT` in a fresh interpreter."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {what}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {m[4]: (int(m[1]), int(m[2])) for m in LINE.finditer(done.stderr)}


if __name__ == "__main__":
    main()
