"""What no stack may make: each rule refuses what it is for, and lets pass what the program makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.hosts.user_data import user_data
from policy import rules
from policy.rules import UNKNOWN, Seen

URN = "urn:pulumi:gaia-test::gaia::"
GROUP_RULE = "openstack:networking/secGroupRule:SecGroupRule"
ACCESS = "openstack:sharedfilesystem/shareAccess:ShareAccess"
SHARE = "openstack:sharedfilesystem/share:Share"
VOLUME = "openstack:blockstorage/volume:Volume"
INSTANCE = "openstack:compute/instance:Instance"
CATALOGUE: dict[str, Any] = {"name": "aglais-data-gaia-dr3-2048"}


def seen(kind: str, called: str = "x", /, protect: bool = False, **props: Any) -> Seen:
    return Seen(f"{URN}{kind}::{called}", kind, props, protect)


def platform(kind: str = "hadoop:HadoopYarn", **said: Any) -> Seen:
    return seen(f"gaia:{kind}", "gaia-test", **{"deployment": "gaia-test", **said})


def wrong(rule: str, *resources: Seen) -> list[str]:
    """What a rule says."""
    return [said for said, _ in rules.violations(rules.RULES[rule], resources)]


LIVE = platform(live=True)
DATA = platform("index:DataPlatform")


@pytest.mark.parametrize(
    ("rule", "resources", "said"),
    [
        ("protection", [LIVE, seen(VOLUME, "zeppelin")], "give it `protect`, or name it in gaia:let_go"),
        ("protection", [LIVE, seen(VOLUME, "master01")], "not protected"),
        ("protection", [DATA, seen(SHARE, **CATALOGUE)], "not protected"),
        ("access", [platform(), seen(ACCESS, accessType="ip", accessTo="0.0.0.0/0")], "access by ip"),
        ("access", [platform(), seen(ACCESS, accessType="cephx", accessTo="gaia_prod_dr3_ro")], "whose is it?"),
        ("names", [platform(), seen(INSTANCE, name="worker01")], "it is called worker01 in the cloud, not gaia-test-"),
        ("catalogues", [platform(), seen(SHARE, **CATALOGUE)], "a catalogue's share is gaia-data's"),
    ],
)
def test_a_rule_refuses_what_it_is_for_and_says_what_to_do(rule: str, resources: list[Seen], said: str) -> None:
    [found] = wrong(rule, *resources)
    assert said in found


@pytest.mark.parametrize(
    ("rule", "resources"),
    [
        ("protection", [LIVE, seen(VOLUME, "zeppelin", protect=True), seen(VOLUME, "worker01")]),
        ("protection", [platform(live=True, letGo=["zeppelin"]), seen(VOLUME, "zeppelin")]),
        ("protection", [platform(live=True, letGo=["all"]), seen(VOLUME, "master01")]),
        ("protection", [platform(), seen(VOLUME, "zeppelin")]),
        ("protection", [DATA, seen(SHARE, protect=True, **CATALOGUE)]),
        ("access", [platform(), seen(ACCESS, accessType="cephx", accessTo="gaia_test_0123_dr3_ro")]),
        ("access", [platform(), seen(ACCESS, accessType="cephx", accessTo=UNKNOWN)]),
        ("names", [platform(), seen(INSTANCE, name="gaia-test-worker01"), seen(INSTANCE, name=UNKNOWN)]),
        ("names", [platform(), seen("openstack:networking/floatingIp:FloatingIp", pool="internet")]),
        ("names", [platform(), seen("kubernetes:core/v1:Namespace", name="zeppelin")]),
        ("names", [DATA, seen(SHARE, **CATALOGUE)]),
        ("catalogues", [DATA, seen(SHARE, **CATALOGUE)]),
        ("catalogues", [platform(), seen(SHARE, name="gaia-test-notebooks")]),
    ],
)
def test_a_rule_lets_pass_what_the_program_makes(rule: str, resources: list[Seen]) -> None:
    assert wrong(rule, *resources) == []


def ingress(first: int | None, last: int | None = None, **more: Any) -> str:
    """What is said of a rule of a security group that lets everybody in, unless more is said."""
    return rules.ports(
        GROUP_RULE, {"direction": "ingress", "portRangeMin": first, "portRangeMax": last or first, **more}
    )


def test_only_declared_ports_are_open_to_everybody() -> None:
    assert ingress(9870).startswith("port 9870 to 9870 is open to everybody, which only 22 and 8080 may be")
    assert ingress(22, 8080).startswith("port 22 to 8080")
    assert ingress(None).startswith("every port")
    assert ingress(9000, remoteIpPrefix="0.0.0.0/0")
    assert not ingress(22)
    assert not ingress(8080, remoteIpPrefix="::/0")
    assert not ingress(9000, remoteGroupId=UNKNOWN)
    assert not ingress(9000, remoteIpPrefix="10.10.0.0/16")
    assert not ingress(9000, direction="egress")
    assert not rules.ports(VOLUME, {"direction": "ingress"})


def test_a_site_may_say_which_flavors_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = {"cumulus": {"allowed_flavors": ["general.v1.*"]}, "arcus": {}}
    monkeypatch.setattr(rules, "sites", lambda: sites)
    servers = [seen(INSTANCE, flavorName=flavor) for flavor in ("general.v1.tiny", "gpu.v1.huge")]
    assert wrong("allowed", platform(site="cumulus"), *servers) == [
        "cumulus has general.v1.* for us, not gpu.v1.huge: components/settings/sites.yaml"
    ]
    assert wrong("allowed", platform(site="arcus"), *servers) == []


def test_a_stack_that_is_being_destroyed_breaks_no_rule() -> None:
    assert not [said for rule in rules.RULES for said in wrong(rule, seen(SHARE, **CATALOGUE))]


HOST_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
MADE = user_data(
    hostname="worker01", deploy_key="ssh-ed25519 A", host_key_private=HOST_KEY, host_key_public="ssh-ed25519 B"
)


def test_user_data_holds_no_secret_but_the_hosts_key() -> None:
    assert rules.user_data(INSTANCE, {"userData": MADE}) == ""
    assert rules.user_data(INSTANCE, {}) == ""
    assert rules.user_data(VOLUME, {"userData": HOST_KEY}) == ""
    config = json.loads(MADE.removeprefix("#cloud-config\n"))
    for secret in ("OS_PASSWORD=canary", HOST_KEY, "password: canary", "AWS_SECRET_ACCESS_KEY=canary"):
        config["write_files"] = [{"path": "/etc/secret", "content": secret}]
        assert "like a secret" in rules.user_data(INSTANCE, {"userData": "#cloud-config\n" + json.dumps(config)})
        assert "like a secret" in rules.user_data(INSTANCE, {"userData": f"#!/bin/sh\n{secret}\n"})


def test_every_platform_is_known_by_its_type() -> None:
    for kind in rules.PLATFORMS:
        assert rules.Deployment.of([platform(f"any:{kind}")])
