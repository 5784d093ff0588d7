"""The platform's Pulumi components, one room per concern."""
