"""What the services' configurations have in common: database, identity, logging, messaging."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.configuration.secrets import Secrets
from sandbox.layout import API, COMPUTE_HOST, LOOPBACK, REGION, SERVICE, Layout, Port

Options = dict[str, str | int | float | bool | Path]
Ini = dict[str, Options]

# The services call each other on 127.0.0.1, by the catalogue's internal interface; everybody else by its public one.
KEYSTONE = f"http://{LOOPBACK}:{Port.KEYSTONE}/v3"
PUBLIC_KEYSTONE = f"https://{API}:{Port.KEYSTONE}/v3"
# Services share one machine, one process each and the sandbox's own watch: none is ever declared dead by its age,
# which in a cloud that starts from an old snapshot would be wrong for its first seconds.
NEVER_DOWN = 10**8


@dataclass(frozen=True)
class Configuration:
    """What all configuration is made from."""

    layout: Layout
    secrets: Secrets

    def database(self, name: str) -> Options:
        """Options of a database section."""
        return {"connection": database_url(self.layout, name), "max_pool_size": 20, "max_overflow": 40}

    def default(self, name: str, *, state: bool = True) -> Options:
        """The [DEFAULT] section: logs go to standard error, which is log/NAME.log; messages stay in the process."""
        options: Options = {"use_stderr": True, "transport_url": "fake://"}
        if state:
            options |= {"state_path": self.layout.data / name, "host": COMPUTE_HOST}
        return options

    def identity(self, **more: Any) -> Options:
        """Options with which one service logs in to call another."""
        return {
            "auth_type": "password",
            "auth_url": KEYSTONE,
            "username": SERVICE,
            "password": self.secrets.service,
            "project_name": SERVICE,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": REGION,
            **more,
        }

    def token_check(self) -> Options:
        """The [keystone_authtoken] section: how an API checks its callers' tokens."""
        return {**self.identity(), **TOKEN_CHECK}

    def tail(self, name: str, database: str | None = None) -> Ini:
        """Sections that every project has."""
        return {
            "database": self.database(database or name),
            "oslo_concurrency": {"lock_path": self.layout.data / "lock" / name},
            "oslo_messaging_notifications": {"driver": "noop"},
            "oslo_policy": {"enforce_scope": True},
        }

    def paste(self, name: str) -> Path:
        """A project's own paste configuration, as its package ships it."""
        file = "glance-api-paste.ini" if name == "glance" else "api-paste.ini"
        return self.layout.venv / "etc" / name / file

    def cloud(self, name: str, password: str) -> dict[str, Any]:
        """An entry of clouds.yaml: user and project have the same name."""
        return {
            "auth": {
                "auth_url": PUBLIC_KEYSTONE,
                "username": name,
                "password": password,
                "project_name": name,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": REGION,
            "cacert": str(self.layout.tls / "ca.pem"),
            "interface": "public",
            "identity_api_version": 3,
        }


TOKEN_CHECK: Options = {
    "www_authenticate_uri": KEYSTONE,
    "service_token_roles": "service",
    "service_token_roles_required": True,
    "token_cache_time": 3600,
}


def database_url(layout: Layout, name: str) -> str:
    return f"mysql+pymysql://root@localhost/{name}?unix_socket={layout.database_socket}"


def no_directories(_: Layout) -> tuple[Path, ...]:
    return ()
