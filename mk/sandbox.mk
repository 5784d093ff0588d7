.PHONY: sandbox-up
sandbox-up: ## start the sandbox: an OpenStack on this machine
	@sandbox/cloud up

.PHONY: sandbox-status
sandbox-status: ## what runs in the sandbox
	@sandbox/cloud status

.PHONY: sandbox-down
sandbox-down: ## stop the sandbox, keep its cloud
	@sandbox/cloud down

.PHONY: sandbox-reset
sandbox-reset: ## stop the sandbox and throw its cloud away
	@sandbox/cloud reset

.PHONY: sandbox-requirements
sandbox-requirements: tools ## lock the Python packages of the sandbox's services
	.tools/bin/uv pip compile -q --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  sandbox/requirements.in -o sandbox/requirements.txt
