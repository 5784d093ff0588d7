# Everything here calls the plain tools: pulumi, pytest, sandbox/cloud.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

include $(wildcard mk/*.mk)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools ## from nothing to a finished Spark job on the sandbox
	@$(PYTHON) -m demo up

.PHONY: demo-kubernetes
demo-kubernetes: tools-kubernetes ## the same on Kubernetes: a notebook whose Spark is in pods
	@$(PYTHON) -m demo up kubernetes

.PHONY: demo-down
demo-down: ## remove the demo and stop the sandbox
	@$(PYTHON) -m demo down

.PHONY: test
test: check test-unit test-render ## every check and every test; the last three tiers share one sandbox
	$(PYTEST) tests/kubernetes tests/cloud tests/hosts

.PHONY: check
check: tools ## style and types
	.venv/bin/ruff check .
	.venv/bin/mypy

.PHONY: test-unit
test-unit: tools ## pure functions and components with mocks; no cloud, no CLI
	$(PYTEST) tests/unit

.PHONY: test-render
test-render: tools-kubernetes ## what is rendered, read by its real readers
	$(PYTEST) tests/render

.PHONY: test-cloud
test-cloud: tools ## the real engine and providers against the sandbox; its servers boot nothing
	$(PYTEST) tests/cloud

.PHONY: test-hosts
test-hosts: tools ## servers that boot, jobs that run
	$(PYTEST) tests/hosts

.PHONY: test-kubernetes
test-kubernetes: tools-kubernetes ## clusters whose nodes boot and whose pods run
	$(PYTEST) tests/kubernetes

.PHONY: lock
lock: tools ## lock the Python packages of requirements*.in
	.tools/bin/uv pip compile -q --generate-hashes --python-version 3.11 --no-header requirements.in -o requirements.txt
	.tools/bin/uv pip compile -q --generate-hashes --python-version 3.11 --no-header requirements-dev.in -o requirements-dev.txt
