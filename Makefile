# make study, make test: each prepares .venv first if it has to.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= params/quick.yaml

.PHONY: study test lint lab lock clean

study: .venv/ready
	$(BIN)/python run_all.py $(STUDY)

test: .venv/ready
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb

lab: .venv/ready
	$(BIN)/jupyter lab

# The one list of versions, for every Python that pyproject.toml allows.
lock: .venv/ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --upgrade --extra cluster --extra kaggle --extra dev --no-annotate \
		--no-emit-index-url --no-emit-find-links --output-file requirements.txt pyproject.toml \
		--custom-compile-command "make lock"

clean:
	rm -rf .venv

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version)." \
		"Name another: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
