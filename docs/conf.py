"""Sphinx: `make docs`, or sphinx-build -W -b html docs docs/_build."""

from importlib.metadata import version as installed

project = "invert"
author = "the invert authors"
release = version = installed("invert")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "tables"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
default_role = "code"  # docstrings write code in single backticks

html_theme = "furo"
html_title = "invert"


def as_text(app, what, name, obj, options, lines):  # type: ignore[no-untyped-def]
    """In docstrings `|value − logit|` is an absolute value, not a reST substitution."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app):  # type: ignore[no-untyped-def]
    app.connect("autodoc-process-docstring", as_text)
