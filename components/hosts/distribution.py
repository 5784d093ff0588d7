"""What differs between the distributions that a host's image may be of. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distribution:
    """Package names and places of one family of distributions."""

    java_home: str
    packages: tuple[str, ...]


# Java 17: the newest that Hadoop 3.4/3.5, Spark 3.5/4.0 and Zeppelin 0.12 all support.
DISTRIBUTIONS = {
    "debian": Distribution(
        java_home="/usr/lib/jvm/java-17-openjdk-amd64",
        packages=("openjdk-17-jre-headless", "ceph-fuse", "btrfs-progs", "nftables", "python3-venv", "git"),
    ),
    "fedora": Distribution(
        java_home="/usr/lib/jvm/jre-17",
        packages=("java-17-openjdk-headless", "ceph-fuse", "btrfs-progs", "nftables", "python3-pip", "git"),
    ),
}
