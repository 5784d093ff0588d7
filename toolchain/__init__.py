"""Brings Pulumi, its providers and the Python environment into the checkout: `python3 -m toolchain` (`make tools`)."""
