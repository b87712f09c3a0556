"""`python -m invert`, the same as `invert`."""

from invert.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
