"""What no stack may make, each rule a pure function of what the stack has: what is wrong, and what to do.

A rule holds for the whole program, whoever writes the next part of it: so they look at what is asked of the cloud, and
not at the settings that it came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from components.hadoop.ports import SECURITY_GROUPS
from components.hadoop.protection import ALL, HELD
from components.network.ingress import ANYWHERE
from components.settings import sites

INGRESSES = [ingress for group in SECURITY_GROUPS.values() for ingress in group]
OPEN = sorted({int(one.first) for one in INGRESSES if one.source == ANYWHERE and one.first})
EVERYBODY = (None, "", "0.0.0.0/0", "::/0")
# but lock_passwd and NOPASSWD, by which a login has none
SECRETS = re.compile(
    r"(?i)((?<!lock_)(?<!no)passw(or)?d|secret|token|aws_|os_)[^\n]{0,40}[=:]\s*\S|BEGIN [A-Z ]*PRIVATE KEY"
)
PLATFORMS = ("HadoopYarn", "KubernetesPlatform", "ServicesPlatform", "DataPlatform")
DATA, SHARE, VOLUME = "DataPlatform", "share:Share", "volume:Volume"
UNKNOWN = "(known only when it is made)"  # in the place of a value


@dataclass(frozen=True)
class Seen:
    """A resource as the engine is asked for it."""

    urn: str
    kind: str  # its type
    props: Mapping[str, Any]
    protect: bool = False

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]

    def is_a(self, kind: str) -> bool:
        """Whether the last word of its type is this."""
        return self.kind.rpartition(":")[2] == kind


@dataclass(frozen=True)
class Deployment:
    """What a platform says of itself (`components/record.py`)."""

    platform: str
    name: str
    site: str = ""
    live: bool = False
    let_go: tuple[str, ...] = ()

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> Deployment | None:
        """The stack's; None where it has no platform, because it is being destroyed."""
        for one in seen:
            kind = one.kind.rpartition(":")[2]
            if kind in PLATFORMS and "deployment" in one.props:
                said = one.props
                gone = tuple(said.get("letGo", ()))
                return cls(kind, said["deployment"], said.get("site", ""), bool(said.get("live")), gone)
        return None


Found = Iterator[tuple[str, Seen]]
Rule = Callable[[Deployment, Sequence[Seen]], Found]
OfOne = Callable[[str, Mapping[str, Any]], str]


def protection(of: Deployment, seen: Sequence[Seen]) -> Found:
    """What there is one of in a live stack, and every catalogue, is protected by the engine."""
    held = [host for host in HELD if ALL not in of.let_go and not any(gone.startswith(host) for gone in of.let_go)]
    for one in seen:
        volume = of.live and one.kind.endswith(VOLUME) and one.name.rstrip("0123456789") in held
        catalogue = of.platform == DATA and one.kind.endswith(SHARE)
        if (volume or catalogue) and not one.protect:
            yield "it is not protected: give it `protect`, or name it in gaia:let_go if it is to go", one


def access(of: Deployment, seen: Sequence[Seen]) -> Found:
    """Access to a share is a cephx identity's of this deployment, never an address's or everybody's."""
    mine = re.sub(r"[^a-z0-9]+", "_", of.name.lower())
    for one in seen:
        if one.is_a("ShareAccess"):
            if one.props.get("accessType") != "cephx":
                yield f"access by {one.props.get('accessType')}: only cephx identities may mount shares", one
            elif one.props.get("accessTo") != UNKNOWN and not str(one.props.get("accessTo")).startswith(mine):
                yield f"the identity {one.props.get('accessTo')} does not begin with {mine}: whose is it?", one


def names(of: Deployment, seen: Sequence[Seen]) -> Found:
    """Everything in the cloud says whose it is: its name begins with the deployment's."""
    for one in seen:
        name = one.props.get("name") or UNKNOWN
        own = of.platform == DATA and one.kind.endswith(SHARE)  # called as its catalogue is
        if one.kind.startswith("openstack:") and name != UNKNOWN and not own and not str(name).startswith(of.name):
            yield f"it is called {name} in the cloud, not {of.name}-...: somebody has to find out whose it is", one


def allowed(of: Deployment, seen: Sequence[Seen]) -> Found:
    """Servers are of the flavors that the site allows, where it says which."""
    patterns = sites().get(of.site, {}).get("allowed_flavors", ())
    for one in seen:
        flavor = one.props.get("flavorName") or ""
        if patterns and one.is_a("Instance") and flavor and not any(fnmatch(flavor, pattern) for pattern in patterns):
            yield f"{of.site} has {', '.join(patterns)} for us, not {flavor}: components/settings/sites.yaml", one


def catalogues(of: Deployment, seen: Sequence[Seen]) -> Found:
    """Catalogues outlive every deployment: only a stack of the platform `data` makes shares that are not its own."""
    for one in seen:
        name = one.props.get("name") or UNKNOWN
        mine = of.platform == DATA or name == UNKNOWN or str(name).startswith(of.name)
        if one.kind.endswith(SHARE) and not mine:
            yield "a catalogue's share is gaia-data's, which outlives this deployment: grant access to it instead", one


RULES: Mapping[str, Rule] = {
    rule.__name__: rule for rule in (protection, access, names, allowed, catalogues)
}


def violations(rule: Rule, seen: Sequence[Seen]) -> Found:
    """What is wrong by a rule; nothing where the stack has no platform, as when it is destroyed."""
    of = Deployment.of(seen)
    yield from rule(of, seen) if of else ()


def ports(kind: str, inputs: Mapping[str, Any]) -> str:
    """Everybody reaches only the ports that are declared for everybody. What is wrong, or nothing.

    It is looked at as it is asked for: until it is made, nobody knows from whom the cloud lets in.
    """
    if not kind.endswith("secGroupRule:SecGroupRule") or inputs.get("direction") != "ingress":
        return ""
    first, last = inputs.get("portRangeMin"), inputs.get("portRangeMax")
    everybody = not inputs.get("remoteGroupId") and inputs.get("remoteIpPrefix") in EVERYBODY
    if not everybody or (first == last and first in OPEN):
        return ""
    which = "every port" if first is None else f"port {first:.0f} to {last or first:.0f}"
    return f"{which} is open to everybody, which only {' and '.join(map(str, OPEN))} may be: components/hadoop/ports.py"


def user_data(kind: str, inputs: Mapping[str, Any]) -> str:
    """user_data, which a host's metadata service tells, holds no secret but the host's key. What is wrong, or nothing.

    It is looked at as it is asked for: the state has only a digest of it.
    """
    text = str(inputs.get("userData") or "") if kind.endswith("instance:Instance") else ""
    try:
        said = json.loads(text.removeprefix("#cloud-config\n"))
        text = json.dumps({key: value for key, value in said.items() if key != "ssh_keys"})
    except (ValueError, AttributeError):
        pass  # not made by components/hosts/user_data.py: looked at as a whole
    return "its user_data has something like a secret: push it with the configuration" if SECRETS.search(text) else ""


# Of one resource, before it is made.
OF_ONE: Mapping[str, OfOne] = {"ports": ports, "user-data": user_data}
