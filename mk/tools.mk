.PHONY: tools
tools: ## pulumi, its providers, uv and .venv, installed or built in .tools
	@python3 -m toolchain
