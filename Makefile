VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FINDINGS := build/.findings
RUN_STAMP := $(VENV)/.installed-run
DATA ?= data
ARGS ?=
SPANS ?= 1300000
# Where it is set, as in many images, each of some hundred processes of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# Tests that `make check` leaves out.
BEYOND := aws infra web scenarios/chaos scenarios/faults scenarios/image scenarios/interop

.PHONY: help wheel run unit format typecheck check test coverage fuzz fuzz-input interop chaos soak lint audit findings web web-check bench layers cdk docs docs-settings docs-api lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

$(STAMP): requirements.lock pyproject.toml scripts/environment.sh
	@scripts/environment.sh $(VENV) all
	@touch $@ $(RUN_STAMP)

$(RUN_STAMP): scripts/requirements-run.txt pyproject.toml scripts/environment.sh
	@scripts/environment.sh $(VENV) run
	@touch $@

run: $(RUN_STAMP) ## start spanlake on embedded storage in ./data (ARGS="--port-offset 100" adds flags)
	@exec $(BIN)/spanlake serve --data $(DATA) $(ARGS)

unit: $(STAMP) ## run the tests of the span table, the receivers and TraceQL's text: no server, about a minute
	$(BIN)/pytest -n 2 -q tests/spans tests/receivers tests/traceql $(ARGS)

format: $(STAMP) ## write the code as ruff formats it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: $(STAMP) ## check the types
	$(BIN)/mypy

check: $(STAMP) ## check the code and run the tests without clouds, browsers and clients in other languages: ten minutes
	@SPANLAKE_TESTS_TOOLS=no scripts/test.sh $(addprefix --ignore=tests/,$(BEYOND)) $(ARGS)

test: $(STAMP) ## check the code and run every test (needs Go, Java, Maven and Node.js; WORKERS=2 for fewer processes)
	@scripts/test.sh $(ARGS)

coverage: $(STAMP) ## run every test with branch coverage, which takes half as long again
	@scripts/test.sh --cov --cov-branch --cov-report=term:skip-covered $(ARGS)

fuzz: $(STAMP) ## compare random queries with a plain evaluator, as in make fuzz ARGS="--queries 20000"
	$(BIN)/python -m tests.fuzz $(ARGS)

fuzz-input: $(STAMP) ## send random changes of real input to every decoder, parser and protocol (ARGS="--inputs 50000")
	$(BIN)/python -m tests.scenarios.hostile.fuzz $(ARGS)

interop: $(STAMP) ## send traces with the real clients of every protocol, as docs/send-traces.md shows them
	$(BIN)/pytest tests/scenarios/interop $(ARGS)

chaos: $(STAMP) ## kill a server a hundred times under load, and check what it must never lose (ARGS="--seed 7"; ARGS=--cloud)
	$(BIN)/python -m tests.scenarios.chaos --rounds 100 $(ARGS)

soak: $(STAMP) ## send, ask, delete, merge, expire and kill for half an hour, then count (ARGS="--minutes 5 --cloud")
	$(BIN)/python -m tests.scenarios.chaos.soak $(ARGS)

lint: $(STAMP) ## formatting, lint, types, the direction of imports, and the templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cfn-lint template.yaml infra/*/template.yaml
	$(BIN)/hadolint infra/image/Dockerfile
	@$(MAKE) --no-print-directory findings
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web-check; \
		else echo "the page in web is not checked: Node.js is missing"; fi

audit: $(STAMP) ## look for advisories on the locked packages (needs PyPI, and Node.js for those of the page)
	@$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock
	@if command -v npm >/dev/null; then cd web && npm audit --package-lock-only; \
		else echo "the page's packages are not audited: Node.js is missing"; fi

findings: $(FINDINGS) ## check the templates by checkov and the CDK's stack by cdk-nag (needs Node.js), where they have changed

$(FINDINGS): $(STAMP) template.yaml infra/findings.toml scripts/aws/findings.py scripts/checkov/requirements.lock \
		scripts/cdk/requirements.lock $(wildcard infra/*/template.yaml infra/cdk/*.py infra/cdk/spanlake_cdk/*.py)
	$(BIN)/python scripts/aws/findings.py checkov
	@if command -v npm >/dev/null; then $(BIN)/python scripts/aws/findings.py cdk-nag; \
		else echo "the CDK's stack is not checked: Node.js is missing"; fi
	@mkdir -p $(@D) && touch $@

web: ## build the web page from web/src into the package (needs Node.js)
	@scripts/web.sh build

web-check: ## check the types of the web page, and that the package holds the build of its sources (needs Node.js)
	@scripts/web.sh check

bench: $(STAMP) ## measure start, ingest and queries (SPANS=100000 for a quick look)
	$(BIN)/python -m bench.measure.start
	$(BIN)/python -m bench.measure.ingest --spans $(SPANS)
	$(BIN)/python -m bench.measure.protocols
	$(BIN)/python -m bench.measure.query --spans $(SPANS)
	$(BIN)/python -m bench.measure.scale --spans $(SPANS)
	$(BIN)/python -m bench.measure.compaction --spans $(SPANS)
	$(BIN)/python -m bench.measure.s3 --spans $(SPANS)
	$(BIN)/python -m bench.measure.cloud_compaction --spans $(SPANS)
	$(BIN)/python -m bench.measure.index_reads
	$(BIN)/python -m bench.measure.edge --spans $(SPANS)
	$(BIN)/python -m bench.measure.udp
	$(BIN)/python -m bench.measure.cold
	$(BIN)/python -m bench.measure.lambda --spans $(SPANS)
	$(BIN)/python -m bench.cost.report

wheel: ## build the wheel in dist
	@scripts/environment.sh build/wheel build
	@build/wheel/bin/python -m pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/spanlake-*.whl

layers: $(STAMP) ## make the Lambda layers in build/layers (ARGS="--machine x86_64" for others than arm64)
	@$(BIN)/python layers/build.py $(ARGS)

cdk: ## run the AWS CDK on infra/cdk (ARGS="deploy --context RetentionDays=30")
	@environment=$$(scripts/cdk/environment.sh) && cd infra/cdk && PATH="$$environment/bin:$$PATH" cdk $(ARGS)

docs: docs-settings docs-api ## build the documents as a site in build/site
	@test -x build/docs/bin/mkdocs || $(BIN)/python -m venv build/docs
	@build/docs/bin/pip install --disable-pip-version-check --quiet --require-hashes --requirement requirements-docs.lock
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --strict

docs-api: $(STAMP) ## write docs/api.md from the OpenAPI document
	$(BIN)/python -m spanlake_docs.api > docs/api.md

docs-settings: $(STAMP) ## write docs/settings.md from the settings' declarations
	$(BIN)/python -m spanlake_docs.settings > docs/settings.md

# The build backend is locked too, so that installing spanlake itself downloads nothing unpinned.
lock: $(STAMP) ## renew requirements.lock from pyproject.toml (ARGS=--upgrade moves every version forward)
	@$(BIN)/python -m pip install --quiet uv
	@printf '%s\n' '-e .[serve]' 'hatchling' 'editables' | $(BIN)/uv pip compile - --group dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-package spanlake --quiet \
		--custom-compile-command 'make lock' --output-file requirements.lock $(ARGS)
	@cd layers && ../$(BIN)/python -m spanlake_layers.image
	@$(BIN)/uv pip compile --group docs --universal --python-version 3.11 --generate-hashes --quiet \
		--custom-compile-command 'make lock' --output-file requirements-docs.lock $(ARGS)

clean: ## remove everything that can be made again; ./data stays
	rm -rf $(VENV) .aws-sam build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
