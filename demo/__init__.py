"""The demo: from nothing to a finished Spark job on the sandbox, by the plain commands that an operator would use."""
