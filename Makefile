# Needs Python >= 3.10 with pip and venv; everything else is installed into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test fast fuzz mutants bench docs release notebooks schema check clean

# The bundled network and a photo that comes with matplotlib: nothing is downloaded.
demo: $(VENV)/.installed
	$(BIN)/invert alexnet-mini --layer relu1,relu3,relu5,fc6 --prior dip,tv,none --seeds 2 --steps 200 \
		--figure demo/figure.png --out demo --resume

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

# Thousands of damaged reports, records and weights files and of odd command lines: half an hour.
fuzz: $(VENV)/.installed-dev
	INVERT_FUZZ=1 $(BIN)/pytest --timeout=0 tests/reliability/test_fuzz.py

# The part of the tests that takes less than a minute.
fast: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

# Break the code on purpose, one change at a time: does a test notice?
mutants: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/mutants.py

# Against the published loop, on this machine: about an hour on two cores.
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/iteration.py --prior dip,tv,none
	$(BIN)/python benchmarks/time_to_quality.py --prior dip,tv,none --iterations 500,3100

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W -b html docs docs/_build

# make release VERSION=0.2.0: version, changelog, sdist and wheel, checked, committed and tagged; nothing is sent.
release: $(VENV)/.installed-dev
	$(BIN)/python .ci/release.py $(VERSION)

# The notebooks follow the scripts that are written in cells.
notebooks: $(VENV)/.installed
	$(BIN)/python examples/make_notebooks.py

# The schema follows the classes in invert/report.py.
schema: $(VENV)/.installed
	$(BIN)/python -m invert.report > docs/report.schema.json

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable ".[docs]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo docs/_build .cache
