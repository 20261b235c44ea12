# Everything is set up by the target that needs it; nothing has to be installed by hand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?= demo
DATA   ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help demo demo-gallery test check format bench bench-peers docs dist examples train-bundled clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

# The CPU build of torch first: an unpinned one brings gigabytes of CUDA packages.
$(VENV)/.dev: $(VENV)/.base
	$(BIN)/python -m pip install -q --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.base ## the main job: index pictures, search by example plus words (DEMO_PHOTOS=folder for your own)
	$(BIN)/samebut demo $(if $(DEMO_PHOTOS),"$(DEMO_PHOTOS)") --out "$(DEMO)"

# Another version of PDFium or of libwebp may round otherwise: the versions are those of constraints.txt.
demo-gallery: $(VENV)/.dev ## draw the pictures that `samebut demo` ships with again, bit for bit
	rm -rf src/samebut/demo_gallery
	$(BIN)/python -m samebut.wardrobe src/samebut/demo_gallery --count 300 --seed 11 --size 256 --format webp --quality 80

test: $(VENV)/.dev ## the whole test suite, offline
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev ## format, lint, types, import layers: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	for platform in win32 darwin; do $(BIN)/mypy --platform $$platform --cache-dir .mypy_cache/$$platform || exit 1; done
	$(BIN)/lint-imports
	$(BIN)/python docs/tables.py --check
	$(BIN)/python docs/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q

bench: $(VENV)/.dev ## speed and memory: the index, indexing the demo gallery, whole commands
	$(BIN)/python benchmarks/index_local.py
	$(BIN)/samebut demo --out $(DEMO) > /dev/null
	$(BIN)/python benchmarks/indexing.py src/samebut/demo_gallery
	$(BIN)/python benchmarks/commands.py src/samebut/demo_gallery src/samebut/demo_gallery/0000-blue-dress.webp --store $(DEMO)/store

# Each gets an environment of its own below .venv-peers. Figures are added to those that are there.
bench-peers: $(VENV)/.dev ## what one would use instead, beside samebut: DATA=folder with products/
	$(BIN)/python benchmarks/peers.py $(DATA)/products --out runs/peers.json
	$(BIN)/python benchmarks/peers_report.py runs/peers.json --plot runs/peers.svg

docs: $(VENV)/.dev ## build the documentation's site into site/, its links checked (site/index.html opens as a file)
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q

# The files in the archives bear the time of the last commit, so that the same commit gives the same bytes.
dist: $(VENV)/.base ## build the wheel and the source archive into dist/ (docs/releasing.md)
	rm -rf dist
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt build twine
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) PIP_CONSTRAINT=$(CURDIR)/constraints.txt \
	  $(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*

.venv-examples/.ready: pyproject.toml constraints.txt examples/requirements.txt
	test -x .venv-examples/bin/python || $(PYTHON) -m venv .venv-examples
	.venv-examples/bin/python -m pip install -q --disable-pip-version-check $$(grep '^torch==' constraints.txt)
	.venv-examples/bin/python -m pip install -q --disable-pip-version-check -e '.[train]' -r examples/requirements.txt
	@touch $@

examples: .venv-examples/.ready ## run every example with the real libraries (some 2 GB of them, torch with it)
	.venv-examples/bin/python -m pytest -c /dev/null --rootdir examples -p no:cacheprovider examples

# DATA holds products/ (images/, catalog.csv, train.jsonl, val.jsonl) and clothing/ (images/, catalog.csv).
train-bundled: $(VENV)/.dev ## train the model that ships: DATA=folder with products/, clothing/ and groceries/
	$(BIN)/python -m samebut.learning.recolour $(DATA)/products runs/recoloured --pieces 1000
	$(BIN)/samebut train bundled --out runs/bundled \
	  --data products=$(DATA)/products --data clothing=$(DATA)/clothing --data groceries=$(DATA)/groceries \
	  --data recoloured=runs/recoloured --data wardrobe=runs/wardrobe
	$(BIN)/samebut export runs/bundled/model src/samebut/bundled --trainable --data $(DATA)/products
	$(BIN)/samebut calibrate src/samebut/bundled --data products=$(DATA)/products \
	  --data clothing=$(DATA)/clothing --data groceries=$(DATA)/groceries

format: $(VENV)/.dev ## rewrite files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the other targets made
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .ruff_cache .pytest_cache
