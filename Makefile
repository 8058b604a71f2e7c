# make study, make test: each prepares .venv first if it has to.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= params/quick.yaml
# Three at once keep two cores busy, for tests wait too.
WORKERS ?= 3
IN_PARALLEL := --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: study test coverage lint lab lock clean

study: .venv/ready
	$(BIN)/python run_all.py $(STUDY)

test: .venv/tests
	$(BIN)/python -m pytest $(IN_PARALLEL) --durations 10 -r s

coverage: .venv/tests
	$(BIN)/python -m pytest $(IN_PARALLEL) --cov --cov-report term

lint: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb

lab: .venv/ready
	$(BIN)/jupyter lab

# The one list of versions, for every Python that pyproject.toml allows: what a study needs, and
# in a file of its own what only the tests do.
COMPILE := $(BIN)/uv pip compile --quiet --universal --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --extra cluster --extra kaggle
lock: .venv/ready
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --upgrade --extra dev --output-file .venv/all.txt pyproject.toml
	$(COMPILE) --constraints .venv/all.txt --output-file requirements.txt pyproject.toml
	{ echo "# What only the tests need, from the same resolution: make lock."; \
		echo "-r requirements.txt"; grep -vxFf requirements.txt .venv/all.txt; } > requirements-test.txt

clean:
	rm -rf .venv

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed (TensorFlow has no wheels for 3.14);" \
		"$(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/tests: .venv/ready requirements-test.txt
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch $@
