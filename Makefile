# `make demo` and `make test` do all the set-up on a machine with Python 3.11 or newer.
PYTHON ?= python3.11
VENV   ?= .venv
RUN    := $(VENV)/bin
EXTRAS ?= dev
# Where CPU builds of torch are published. On a GPU machine: see README, "On a GPU".
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0
FBGEMM_GPU := fbgemm-gpu==1.8.0

export OMP_WAIT_POLICY ?= PASSIVE
export OPENBLAS_NUM_THREADS ?= 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: demo test soak lint audit bench docs clean gpu

demo: $(VENV)/.installed
	$(RUN)/recsys-unlearn demo

test: $(VENV)/.installed
	$(RUN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Hours: every kill point, a thousand random kills, two hundred rounds of sixteen processes, ten thousand
# steps of a random history. RELIABILITY_SEED repeats one that failed.
soak: $(VENV)/.installed
	$(RUN)/pytest -m soak -s tests/reliability

lint: $(VENV)/.installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy recsys_unlearn
	$(RUN)/pytest tests/test_imports.py  # nothing unpickles, evaluates, or imports by a string from a file

# Known vulnerabilities of what is installed. Where the advisories cannot be reached it says so and passes.
audit: $(VENV)/.installed
	@rm -f $(VENV)/audit.json
	@$(RUN)/pip-audit --progress-spinner off --skip-editable -f json -o $(VENV)/audit.json 2> $(VENV)/audit.log \
		&& tail -n 1 $(VENV)/audit.log \
		|| { test ! -s $(VENV)/audit.json || { cat $(VENV)/audit.json; exit 1; }; \
		echo "Not audited: the advisory service cannot be reached; run 'make audit' where it can"; }

# Figures of the README and the docs on the data set of the demo; --dataset DIR for others.
bench: $(VENV)/.installed
	$(RUN)/python pipelines/benchmark_metrics.py
	$(RUN)/python pipelines/benchmark_forgetting.py

docs: $(VENV)/.installed
	$(RUN)/pytest tests/test_docs.py

clean:
	rm -rf $(VENV) demo-workspace

# torch comes first and by itself: on Linux a plain "torch" brings gigabytes of CUDA packages, and once
# the CPU build is there nothing after it asks for another.
$(VENV)/.installed: pyproject.toml vendor/fbgemm_shim/pyproject.toml
	@echo "Installing into $(VENV), which takes a minute or two"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN)/pip install -qq '$(TORCH)+cpu' 2>/dev/null || \
		$(RUN)/pip install -qq --index-url $(TORCH_CPU_INDEX) '$(TORCH)+cpu'
	@$(RUN)/pip install -qq -e '.[$(EXTRAS)]'
	@touch $@

# The CUDA builds, into a fresh environment; the second line replaces the CPU stand-in for fbgemm-gpu.
gpu: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install -q '$(TORCH)' -e '.[$(EXTRAS)]'
	$(RUN)/pip install -q '$(FBGEMM_GPU)'
	touch $(VENV)/.installed
