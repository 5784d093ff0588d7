"""How long the program takes, and what it costs, beside the same resources made by OpenTofu."""
