"""The cloud that a stack lives on: its provider, and everything that is looked up there by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_openstack as openstack

from components.settings import SettingsError

# Busy clouds answer 429 or 503 now and then; the provider's own default is not to try again.
MAX_RETRIES = 5
# What the provider takes from the shell, whichever entry it was told, where the entry says nothing of its kind
# (gophercloud/utils, clientconfig: v3auth). OS_PASSWORD and OS_APPLICATION_CREDENTIAL_SECRET are not here: an entry
# may leave its secret to the shell.
IDENTITY_VARIABLES = {
    "token": ("OS_TOKEN", "OS_AUTH_TOKEN"),
    "username": ("OS_USERNAME",),
    "user_id": ("OS_USER_ID",),
    "user_domain_name": ("OS_USER_DOMAIN_NAME",),
    "user_domain_id": ("OS_USER_DOMAIN_ID",),
    "application_credential_id": ("OS_APPLICATION_CREDENTIAL_ID",),
    "application_credential_name": ("OS_APPLICATION_CREDENTIAL_NAME",),
    "auth_url": ("OS_AUTH_URL",),
}
PROJECT_VARIABLES = {
    "project_id": ("OS_PROJECT_ID", "OS_TENANT_ID"),
    "project_name": ("OS_PROJECT_NAME", "OS_TENANT_NAME"),
    "project_domain_name": ("OS_PROJECT_DOMAIN_NAME",),
    "project_domain_id": ("OS_PROJECT_DOMAIN_ID",),
    "domain_id": ("OS_DOMAIN_ID",),
    "domain_name": ("OS_DOMAIN_NAME",),
    "system_scope": ("OS_SYSTEM_SCOPE",),
}


def overruling(auth: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The variables of the shell that would overrule an entry of clouds.yaml, whose `auth` this is. Pure.

    An entry with the project's id, or with an application credential (which belongs to one project), has said which
    project it means: no variable changes that.
    """
    kinds = dict(IDENTITY_VARIABLES)
    if not auth.keys() & {"project_id", "application_credential_id", "application_credential_name"}:
        kinds |= PROJECT_VARIABLES
    names = [name for kind, variables in kinds.items() if kind not in auth for name in variables]
    return [name for name in names if environ.get(name)]


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An application credential of Keystone's: what a program uses in place of a person's password."""

    id: pulumi.Input[str]
    secret: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of clouds.yaml: its name, its region ("" where it names none), where Keystone is, and the certificates
    that it is to be believed by ("" for those of the system)."""

    name: str
    region: str
    auth_url: str
    authorities: str
    credential: Credential | None = field(repr=False)

    @classmethod
    def find(cls, stack: str, key: str, name: str) -> Entry:
        """The entry that a key of the stack's file names.

        Raises SettingsError when there is none, when variables of the shell would overrule it, or when its `cacert`
        cannot be read.
        """
        # one import for all that clouds.yaml may say (search path, secure.yaml): a third of a second, so only here
        from openstack.config import loader

        given = os.environ.get("OS_CLIENT_CONFIG_FILE")
        files = [*([given] if given else []), *loader.CONFIG_FILES]
        clouds = loader.OpenStackConfig(config_files=files, load_envvars=False).cloud_config["clouds"]
        if name not in clouds:
            known = ", ".join(sorted(clouds)) or "none"
            raise SettingsError.of(stack, [f"{key} names {name!r}, which clouds.yaml does not have (it has: {known})"])
        auth = clouds[name].get("auth") or {}
        if variables := overruling(auth, os.environ):
            raise SettingsError.of(
                stack,
                [
                    f"{key} is {name!r}, but the shell sets {', '.join(variables)}, which would overrule that entry "
                    f"of clouds.yaml: `unset {' '.join(variables)}`, or give the entry what it lacks (its project_id)"
                ],
            )
        return cls(
            name=name,
            region=str(clouds[name].get("region_name") or ""),
            auth_url=str(auth.get("auth_url") or ""),
            authorities=_certificates(stack, key, clouds[name].get("cacert")),
            credential=_credential(auth),
        )

    def provider(self, name: str) -> openstack.Provider:
        """The provider for the entry: credentials stay in clouds.yaml and never reach the state."""
        # the region has to be said, also when it is none: else the shell's is taken
        return openstack.Provider(name, cloud=self.name, region=self.region, max_retries=MAX_RETRIES)


def _certificates(stack: str, key: str, file: str | None) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8") if file else ""
    except OSError as problem:
        raise SettingsError.of(
            stack, [f"{key} names an entry of clouds.yaml whose cacert is not there: {problem}"]
        ) from None


def _credential(auth: Mapping[str, Any]) -> Credential | None:
    names = ("application_credential_id", "application_credential_secret")
    identity, secret = (auth.get(name) for name in names)
    return Credential(id=identity, secret=secret) if identity and secret else None


@dataclass(frozen=True, kw_only=True)
class Project:
    """The Keystone project that a provider's credentials belong to."""

    id: str
    name: str


def project_of(provider: openstack.Provider) -> Project:
    """Where a provider really leads: asked of the cloud, whatever entry and shell say."""
    found = openstack.identity.get_auth_scope(name="scope", opts=pulumi.InvokeOptions(provider=provider))
    return Project(id=found.project_id, name=found.project_name)


@dataclass
class Lookup:
    """Looks names up in the cloud, and tells of everything that is not there at once.

    The answers are known already in a preview: sizes are computed from what the cloud says of a flavor.
    """

    cloud: str
    provider: openstack.Provider
    problems: list[str] = field(default_factory=list)  # each begins with the key that named it

    def flavor(self, key: str, name: str) -> Any:
        """A flavor by its name: vcpus, ram (MiB)."""
        return self._find(key, "flavor", name, lambda opts: openstack.compute.get_flavor(name=name, opts=opts))

    def image(self, key: str, name: str) -> Any:
        """The newest image of a name."""
        return self._find(
            key, "image", name, lambda opts: openstack.images.get_image(name=name, most_recent=True, opts=opts)
        )

    def network(self, key: str, name: str) -> Any:
        """A network by its name."""
        return self._find(key, "network", name, lambda opts: openstack.networking.get_network(name=name, opts=opts))

    def cluster_template(self, key: str, name: str) -> Any:
        """A cluster template of Magnum's by its name."""
        return self._find(
            key,
            "cluster template",
            name,
            lambda opts: openstack.containerinfra.get_cluster_template(name=name, opts=opts),
        )

    def cluster(self, key: str, name: str) -> Any:
        """A cluster of Magnum's by its name: id, kubeconfig (with a certificate that Magnum has just signed)."""
        return self._find(key, "cluster", name, lambda opts: openstack.containerinfra.get_cluster(name=name, opts=opts))

    def _find(self, key: str, kind: str, name: str, find: Callable[[pulumi.InvokeOptions], Any]) -> Any:
        try:
            return find(pulumi.InvokeOptions(provider=self.provider))
        except Exception as problem:  # the SDK raises plain Exception for what the provider said
            said = str(problem).strip().splitlines()[-1] if str(problem).strip() else type(problem).__name__
            self.problems.append(
                f"{key} names the {kind} {name!r}, which the cloud {self.cloud!r} did not give: {said}"
            )
            return None
