"""One name for one thing: what a package shows has the name of none of its modules."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

PACKAGES = [
    name
    for root in ("invert", "invert_priors", "invert_reports")
    for name in (
        root,
        *(
            module.name
            for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}.")
            if module.ispkg
        ),
    )
]


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_that_a_package_shows_hides_one_of_its_modules(name: str) -> None:
    package = importlib.import_module(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules & set(getattr(package, "__all__", ())) == set()
