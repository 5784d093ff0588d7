"""What is known before an `up`: counted from its preview, compared with what the cloud says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ops import preflight
from ops.preflight import INSTANCE, VOLUME, Check, Flavor
from ops.review import Change

FLAVORS = {"tiny": Flavor(2, 6144, 20), "small": Flavor(6, 22528, 0)}
GIB = preflight.GIB


def change(verb: str, kind: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    old, new = ({"inputs": inputs} if inputs else {} for inputs in (before, after))
    return Change(f"urn:pulumi:gaia-test::gaia::{kind}::x", verb, old, new, ())


def server(flavor: str, image: str = "debian", name: str = "gaia-test-worker01") -> dict[str, Any]:
    return {"flavorName": flavor, "imageId": image, "name": name}


def test_what_a_change_takes_of_the_quotas() -> None:
    found = [
        change("create", INSTANCE, {}, server("tiny")),
        change("replace", INSTANCE, server("tiny"), server("small")),
        change("create", VOLUME, {}, {"size": 16}),
        change("update", VOLUME, {"size": 16}, {"size": 20}),
        change("delete", VOLUME, {"size": 512}, {}),
        change("create", "openstack:networking/secGroup:SecGroup", {}, {"name": "workers"}),
        change("create", "openstack:networking/routerInterface:RouterInterface", {}, {"a": 1}),
        change("create", "random:index/randomPassword:RandomPassword", {}, {"length": 20}),
    ]
    assert preflight.needed(found, FLAVORS) == {
        "instances": 1,
        "cores": 2 + 4,
        "RAM MiB": 6144 + 16384,
        "volumes": 1,
        "volume GiB": 16 + 4,
        "security groups": 1,
        "security group rules": 2,
        "ports": 1,
    }


def test_a_quota_that_is_too_small_says_by_how_much() -> None:
    there = {"cores": (20, 16), "ports": (-1, 900), "instances": (10, 0)}
    found = {check.what: check for check in preflight.quotas({"cores": 6, "ports": 50, "instances": 10}, there)}
    assert found["cores"].wrong == "6 needed, 4 free: the project's quota is 2 too small"
    assert str(found["ports"]).split(maxsplit=2) == ["ports", "well", "50 needed, any number free"]
    assert not found["instances"].wrong


def test_an_image_that_does_not_fit_on_a_flavors_root_disk_is_named() -> None:
    images = {"debian": SimpleNamespace(name="Debian-12", min_disk=0, size=21 * GIB)}
    new = [change("create", INSTANCE, {}, server(flavor)) for flavor in ("tiny", "small", "unknown")]
    found = {check.what: check.wrong for check in preflight.root_disks(new, FLAVORS, images)}
    assert found == {
        "root disk small": "",  # no disk of its own: it has the image's
        "root disk tiny": "tiny has a root disk of 20 GiB, Debian-12 needs 21",
    }


def test_servers_that_have_the_names_already_are_told() -> None:
    new = [change("create", INSTANCE, {}, server("tiny", name=f"gaia-test-worker0{n}")) for n in (1, 2)]
    [check] = preflight.namesakes("gaia-test", new, ["gaia-test-worker02", "other"])
    assert check.wrong.startswith("the project has gaia-test-worker02 already, of which this stack's state knows")
    [fine] = preflight.namesakes("gaia-test", new, ["other"])
    assert not fine.wrong
    assert not list(preflight.namesakes("gaia-test", [], ["gaia-test-worker01"]))


def test_a_clock_that_is_off_is_told() -> None:
    told, then = "Fri, 27 Nov 2026 15:00:00 GMT", 1795791600.0
    assert preflight.clock(told, then).found == "+0 s"
    assert not preflight.clock(told, then + 20).wrong
    assert preflight.clock(told, then - 90).wrong == "-90 s from the cloud's: set it"
    assert not preflight.clock("", then).wrong


def test_a_line_says_what_was_looked_at_and_what_came_of_it() -> None:
    assert str(Check("clock", "+0 s")).split() == ["clock", "well", "+0", "s"]
    assert str(Check("clock", "+0 s", "set it")).split() == ["clock", "wrong", "set", "it"]
