.PHONY: tools
tools: ## pulumi, its providers, uv and .venv, installed or built in .tools
	@python3 -m toolchain

.PHONY: tools-kubernetes
tools-kubernetes: tools ## what nodes of a Kubernetes cluster on the sandbox run, built in .tools/kubernetes
	@python3 -m toolchain --only-kubernetes
