"""What differs between the distributions that a host's image may be of. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Package names and places of one family of distributions, and which wheels its Python takes."""

    java_home: str
    python: str
    platform: str  # as uv names it: the newest C library that a wheel may ask for
    packages: tuple[str, ...]


# Java 17: the newest that Hadoop 3.4/3.5, Spark 3.5/4.0 and Zeppelin 0.12 all support. Python is that of the newest
# releases that have it, Debian 12 and Fedora 41.
DISTRIBUTIONS = {
    "debian": Distribution(
        java_home="/usr/lib/jvm/java-17-openjdk-amd64",
        python="3.11",
        platform="x86_64-manylinux_2_36",
        packages=("openjdk-17-jre-headless", "ceph-fuse", "btrfs-progs", "nftables", "python3-venv", "git"),
    ),
    "fedora": Distribution(
        java_home="/usr/lib/jvm/jre-17",
        python="3.13",
        platform="x86_64-manylinux_2_40",
        packages=("java-17-openjdk-headless", "ceph-fuse", "btrfs-progs", "nftables", "python3-pip", "git"),
    ),
}
