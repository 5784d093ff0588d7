"""What the rendering of a Hadoop/YARN platform starts from, and what it gives back. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.hadoop.sizing import Flavor, Sizes
from components.hosts.bundle import Account, Archive, Directory, File, Link, Unit
from components.notebook.shiro import NotebookUser
from components.settings.hadoop import Archives


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One deployment: its hosts by name, what they are made of, what they run.

    `sizes` comes from `sizing.compute`. `volume` is where every host mounts its own Cinder volume; `python` is the
    virtual environment that every host has; `shares` are where Manila shares are mounted. `users` are the logins
    (people and operators) that get a home directory in HDFS; `spark_settings` are further lines of spark-defaults.conf,
    which win over the computed ones.
    """

    gateway: str = "zeppelin"
    master: str = "master01"
    workers: tuple[str, ...]
    gateway_flavor: Flavor
    master_flavor: Flavor
    worker_flavor: Flavor
    sizes: Sizes
    archives: Archives
    java_home: str = "/usr/lib/jvm/java-17-openjdk-amd64"
    python: str = "/opt/gaia/python"
    volume: str = "/mnt/cinder/data"
    shares: tuple[str, ...] = ()
    replication: int = 2
    idle_min: int = 60  # of a notebook's processes
    notebook_users: tuple[NotebookUser, ...] = ()
    users: tuple[str, ...] = ()
    spark_settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A role's share of a host's bundle (`components.hosts.bundle.Bundle` has fields of the same names)."""

    accounts: tuple[Account, ...] = ()
    directories: tuple[Directory, ...] = ()
    archives: tuple[Archive, ...] = ()
    links: tuple[Link, ...] = ()
    files: tuple[File, ...] = ()
    units: tuple[Unit, ...] = field(default=())
