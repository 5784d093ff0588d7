"""Hosts: systemd-nspawn containers that boot the image, each with a network namespace, disks and bounds of its own.

Standard library only: Nova's driver uses it inside the services' virtual environment, `clean` the machine's python3.
"""
