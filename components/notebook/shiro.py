"""Who may log in to the notebook server, in the formats of Shiro. Pure.

shiro.ini names Shiro's PropertiesRealm; who may log in stands in that realm's own file, which the running server reads
anew when it changes: a password, a new login or one that is gone ends nobody's session.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

ITERATIONS = 500_000  # Shiro's own default for passwords
SESSION_TIMEOUT = 24 * 3600 * 1000  # ms
RELOAD = 1  # seconds between two looks of the server at its realm's file
ROLES = ("admin", "user")
# The first path that fits decides. Everything needs a login but the version; what changes the platform, or shows
# other people's credentials, needs the role admin.
URLS = (
    ("/api/version", "anon"),
    ("/api/interpreter/setting/restart/**", "authc"),
    *((f"/api/{path}/**", "authc, roles[admin]") for path in ("interpreter", "configurations", "credential")),
    *((f"/api/{path}/**", "authc, roles[admin]") for path in ("notebook-repositories", "admin", "cluster")),
    ("/**", "authc"),
)


@dataclass(frozen=True, kw_only=True)
class NotebookUser:
    """A login of the notebook server. `password_hash` is what `password_hash` makes.

    Roles are `user` and `admin`; an administrator also sees interpreter settings, credentials and configuration.
    """

    name: str
    password_hash: str
    roles: tuple[str, ...] = ("user",)


def password_hash(password: str, salt: str, iterations: int = ITERATIONS) -> str:
    """A password as Shiro's PasswordMatcher keeps it (format shiro1).

    `salt`: 16 random bytes in base64, which must stay the same for the text to stay the same.
    """
    digest = hashlib.sha256(base64.b64decode(salt) + password.encode()).digest()
    for _ in range(iterations - 1):
        digest = hashlib.sha256(digest).digest()
    return f"$shiro1$SHA-256${iterations}${salt}${base64.b64encode(digest).decode()}"


def realm(users: Iterable[NotebookUser]) -> str:
    """Logins and roles as PropertiesRealm reads them."""
    roles = "".join(f"role.{role} = *\n" for role in ROLES)
    return roles + "".join(f"user.{user.name} = {', '.join((user.password_hash, *user.roles))}\n" for user in users)


def ini(realm_file: str) -> str:
    """Where the logins stand, which roles there are, and which part of the REST API needs which.

    IniRealm stays beside the realm of the logins, without any: it is where Zeppelin looks up the names of roles.
    """
    roles = "".join(f"{role} = *\n" for role in ROLES)
    urls = "".join(f"{path} = {rule}\n" for path, rule in URLS)
    return f"""\
[main]
passwordMatcher = org.apache.shiro.authc.credential.PasswordMatcher
logins = org.apache.shiro.realm.text.PropertiesRealm
logins.resourcePath = file:{realm_file}
logins.reloadIntervalSeconds = {RELOAD}
logins.credentialsMatcher = $passwordMatcher
securityManager.realms = $logins, $iniRealm
sessionManager = org.apache.shiro.web.session.mgt.DefaultWebSessionManager
cookie = org.apache.shiro.web.servlet.SimpleCookie
cookie.name = JSESSIONID
cookie.httpOnly = true
sessionManager.sessionIdCookie = $cookie
securityManager.sessionManager = $sessionManager
securityManager.sessionManager.globalSessionTimeout = {SESSION_TIMEOUT}
shiro.loginUrl = /api/login

[roles]
{roles}
[urls]
{urls}"""
