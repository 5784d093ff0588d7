"""Drupal: the project's web site, with its database.

`values` says what the chart `charts/drupal` is told; `settings_php` and `users_sql` are what the site and the database
read at their start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_random as random

from components.kubernetes.charts import ReleaseArgs, checksum, release
from components.kubernetes.destination import Destination
from components.kubernetes.volumes import ShareVolume, own_volume
from components.secret import password
from components.settings.services import Drupal, Services
from components.storage.shares import OwnShareArgs

NAME = "drupal"  # of the release, its namespace, its Service
DATABASE = f"{NAME}-database"  # the database's Service
FILES = "/var/lib/drupal"  # where the chart mounts the site's share
SECRET = "drupal-secrets"
PASSWORD_LENGTH = 32
SALT_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class WebSiteArgs:
    """`destination`: where this is installed; `after`: what has to be there first."""

    settings: Services
    drupal: Drupal
    destination: Destination
    after: Sequence[pulumi.Resource]


class WebSite(pulumi.ComponentResource):
    """Drupal with MariaDB.

    Children: the Namespace, an OwnShare and a ShareVolume for the site's files and for the database, the database's
    password and the hash salt (RandomPassword each), the Secret with both, the Release. Not managed here: what people
    write on the site.
    """

    service: str

    def __init__(self, name: str, args: WebSiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gaia:kubernetes:WebSite", name, None, opts)
        self._args = args
        child, parent = args.destination.inside(self), pulumi.ResourceOptions(parent=self)
        space = args.destination.namespace(NAME, "baseline", self)
        files = self._volume("files", args.drupal.files_gib, space)
        database = self._volume("database", args.drupal.database_gib, space)
        chosen = password("drupal_database_password", DATABASE, PASSWORD_LENGTH, parent)
        salt = random.RandomPassword("drupal-salt", length=SALT_LENGTH, special=False, opts=parent).result
        told = {
            "settings.php": pulumi.Output.all(chosen, salt).apply(lambda known: settings_php(known[0], known[1])),
            "users.sql": chosen.apply(users_sql),
        }
        secrets = kubernetes.core.v1.Secret(
            SECRET, metadata={"name": SECRET, "namespace": space.metadata["name"]}, string_data=told, opts=child
        )
        # of a text with 64 random characters: the password cannot be looked for in it
        known = pulumi.Output.unsecret(told["settings.php"].apply(checksum))
        release(
            NAME,
            ReleaseArgs(
                chart=args.settings.charts.drupal,
                kubeconfig=args.destination.kubeconfig,
                namespace=NAME,
                values=values(args.settings, args.drupal, files.claim, database.claim, known),
            ),
            pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(depends_on=[space, files, database, secrets, *args.after])
            ),
        )
        self.service = f"{NAME}.{NAME}"
        self.register_outputs({"service": self.service})

    def _volume(self, what: str, size: int, space: kubernetes.core.v1.Namespace) -> ShareVolume:
        args = self._args
        share = OwnShareArgs(
            name=f"{args.destination.deployment}-drupal-{what}",
            size=size,
            share_type=args.settings.share_type,
            description=f"The {what} of the web site of {args.destination.deployment}",
            deployment=args.destination.deployment,
            project_id=args.destination.project_id,
        )
        parent = pulumi.ResourceOptions(parent=self)
        name = f"drupal-{what}"
        return own_volume(name, share, args.destination, space.metadata["name"], args.settings.mounter, parent)


def quoted(text: str) -> str:
    """A text between single quotes, as both PHP and SQL read it. Pure."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def settings_php(password: str, salt: str) -> str:
    """Drupal's own settings.php. Pure."""
    database = {
        "driver": "mysql",
        "host": DATABASE,
        "port": "3306",
        "database": NAME,
        "username": NAME,
        "password": password,
        "prefix": "",
        "collation": "utf8mb4_general_ci",
    }
    settings = {
        "hash_salt": salt,
        "file_public_path": "sites/default/files",
        "file_private_path": f"{FILES}/private",
        "config_sync_directory": f"{FILES}/sync",
    }
    lines = ["<?php"]
    lines += [f"$databases['default']['default'][{quoted(key)}] = {quoted(value)};" for key, value in database.items()]
    lines += [f"$settings[{quoted(key)}] = {quoted(value)};" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def users_sql(password: str) -> str:
    """What the database does at each start, a statement a line: its one user has this password from then on. Pure."""
    user = f"{quoted(NAME)}@'%'"
    return (
        f"CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;\n"
        f"CREATE USER IF NOT EXISTS {user};\n"
        f"ALTER USER {user} IDENTIFIED BY {quoted(password)};\n"
        f"GRANT ALL ON {NAME}.* TO {user};\n"
    )


def values(settings: Services, drupal: Drupal, files: str, database: str, known: pulumi.Input[str]) -> dict[str, Any]:
    """The chart's values; `files` and `database` are claims, `known` is the checksum of the Secret. Pure."""
    memory = f"{drupal.database_memory_mib}Mi"
    return {
        "images": {
            "drupal": settings.images.drupal,
            "mariadb": settings.images.mariadb,
            "pullSecrets": list(settings.images.pull_secrets),
        },
        "existingSecret": SECRET,
        "checksum": known,
        "site": {"claim": files},
        "database": {
            "claim": database,
            "bufferPoolMiB": drupal.database_memory_mib // 2,
            "resources": {"requests": {"cpu": "100m", "memory": memory}, "limits": {"memory": memory}},
        },
    }
