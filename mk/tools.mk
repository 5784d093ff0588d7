.PHONY: tools
tools: ## pulumi, its providers, uv and .venv, installed or built in .tools
	@python3 -m toolchain

.PHONY: tools-kubernetes
tools-kubernetes: tools ## what a Kubernetes cluster on the sandbox runs, helm, charts, pulumi's provider for it
	@python3 -m toolchain --only-kubernetes
