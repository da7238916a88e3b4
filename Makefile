# Each target makes the environment it needs first: .venv, from pyproject.toml and constraints.txt.
#   make figures ROWS=published DATASET=all     draws from results/ alone, with no run and no image
#   make figures DATASET=mnist BOTTLENECKS=12,32 MODELS=classic,inn SEEDS=0 DATA_ROOT=/path/to/images
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What `make figures` takes, and the name it has in the workflow; ALONE is for drawing without a sweep: ROWS=published.
SWEEP := DATASET MODELS RECIPES BOTTLENECKS SEEDS PRESET DATA_ROOT RUNS FIGURES DEVICE PRECISION RECOMPUTE IMAGE_SIZE STRICT \
  THREADS SLOTS
ALONE := ROWS
OTHER := PYTHON CORES
lower = $(shell echo $(1) | tr '[:upper:]' '[:lower:]')
CONFIG = $(foreach name,$(SWEEP) $(ALONE),$(if $($(name)),$(call lower,$(name))='$(subst ','\'',$($(name)))'))
CORES ?= all

# A misspelt variable would be passed over in silence, and the wrong thing would run all night.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(SWEEP) $(ALONE) $(OTHER) MAKEFLAGS,$(GIVEN))
ifneq ($(strip $(UNKNOWN)),)
$(error unknown variable: $(UNKNOWN); allowed, in capitals: $(SWEEP) $(ALONE) $(OTHER))
endif
# The environment's variables of these names are somebody else's: only the command line counts.
$(foreach name,$(SWEEP) $(ALONE),$(if $(filter environment,$(firstword $(origin $(name)))),$(eval $(name) :=)))

.PHONY: help figures publish vae plan bench test lab lint clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

figures: $(READY)  ## train what is missing and draw figures 5 and 6 (DATASET=digits, mnist, cifar10, celeba, lfw or images)
	@$(BIN)/python workflow/figures.py --cores $(CORES) $(CONFIG)

publish: $(READY)  ## put finished full runs into results/ (DATASET=mnist; MODELS, RECIPES, BOTTLENECKS, SEEDS, RUNS choose)
	@$(BIN)/python workflow/publish.py $(CONFIG)

vae: $(READY)  ## train the variational INN and its peers at one bottleneck, and look at them (notebook 31)
	@$(BIN)/python workflow/figures.py vae --cores $(CORES) $(CONFIG)

plan: $(READY)  ## what is still to do, and how long this machine will take (variables as for figures)
	@$(BIN)/python workflow/plan.py --cores $(CORES) $(CONFIG)

bench: $(READY)  ## our training step against a plain float32 baseline; table and JSON
	@$(BIN)/python benchmarks/bench.py

test: $(READY)  ## check the code and run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n $(if $(filter all,$(CORES)),logical,$(CORES)) --maxprocesses 8 --dist worksteal

lab: $(READY)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

lint: $(READY)  ## put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment; runs and figures stay
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1); name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making the environment in $(VENV) (some gigabytes, a few minutes, once)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]' -c constraints.txt
	@touch $@
