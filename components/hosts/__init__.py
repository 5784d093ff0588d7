"""Hosts: a server with its port, volumes and pushed configuration."""
