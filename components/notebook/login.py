"""The notebook's first login: its password is the config's, or a generated one."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.notebook.shiro import NotebookUser, password_hash
from components.secret import password, secret

PASSWORD_LENGTH = 20
SALT_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Login:
    """The password, and what the server keeps of it."""

    name: str
    password: pulumi.Output[str]
    user: pulumi.Output[NotebookUser]


def first_login(name: str, opts: pulumi.ResourceOptions) -> Login:
    """An administrator's login with the password `gaia:notebook_password`, or one that is made and kept."""
    chosen = password("notebook_password", "notebook", PASSWORD_LENGTH, opts)
    salt = random.RandomBytes("notebook-salt", length=SALT_BYTES, opts=opts)
    user = pulumi.Output.all(chosen, salt.base64).apply(
        lambda known: NotebookUser(name=name, password_hash=password_hash(known[0], known[1]), roles=("admin", "user"))
    )
    return Login(name=name, password=secret(chosen), user=user)
