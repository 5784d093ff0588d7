"""Jobs over the catalogue: the demo's rows, and the operator's smoke test on Spark."""
