"""The OpenStack services: one process per project, their database, and what must be so before they are `ready`."""
