"""Sign-on's proxies with the files that the chart makes of the program's values: who gets in, who does not, and how
nobody gets round them. Providers are dex in three shapes. (On a cluster: tests/kubernetes.)"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime.config import CONFIG

from components.kubernetes import sign_on
from tests.conftest import ROOT
from tests.render.doors import LOOPBACK, Browser, free_port, running, service
from tests.render.test_charts import STACKS, complaints, config, helm, program
from tests.unit.test_kubernetes_drupal import SITE
from tests.unit.test_kubernetes_notebooks import parsed
from tests.unit.test_kubernetes_sign_on import DOMAIN, INGRESS
from toolchain import nodes

ADA, EVE = "ada@example.org", "eve@example.com"
PASSWORD = "lovelace"
PEOPLE = {ADA: {"password": PASSWORD, "groups": ["gaia, users"]}, EVE: {"password": PASSWORD, "groups": ["others"]}}
CLIENT_SECRET, COOKIE_SECRET = "what dex knows the proxy by", "0123456789abcdefghijABCDEFGHIJkl"
# What addresses inside a cluster become here: each is the machine's loopback
IN_CLUSTER = ("idp.default.svc", "web.default.svc", "drupal.drupal.svc")
GROUPS = {"allowed_groups": ["gaia, users"], "scopes": ["openid", "email", "profile", "groups"]}
# Drupal's module answers at its own paths, and is asked for no others
PATHS_OF_DRUPAL = {
    "/oauth/authorize": "/auth",
    "/oauth/token": "/token",
    "/oauth/jwks": "/keys",
    "/oauth/userinfo": "/userinfo",
}


def providers(issuer: str) -> dict[str, dict[str, Any]]:
    """An entry of `gaia:sign_on` for each shape."""
    endpoints = {"login": f"{issuer}/auth", "redeem": f"{issuer}/token", "validate": f"{issuer}/userinfo"}
    return {
        "iris": {"issuer": issuer, **GROUPS},
        "google": {"endpoints": endpoints, "email_domains": ["example.org"]},
        "drupal": {"issuer": issuer, **GROUPS},
    }


@dataclass(frozen=True)
class Doors:
    """A provider, the proxies of what it guards, and their browser."""

    issuer: str
    places: dict[str, int]

    def browser(self) -> Browser:
        return Browser(self.places)


def rendered(name: str, values: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """What the chart makes for a provider; the server would take it."""
    (file := scratch / "values.json").write_text(json.dumps(values))
    chart, where = ROOT / "charts" / sign_on.CHART, ("--values", file, "--namespace", sign_on.NAMESPACE)
    helm("lint", "--strict", chart, *where)
    text = helm("template", f"sign-on-{name}", chart, *where, "--kube-version", nodes.VERSION_OF["kubernetes"])
    assert complaints(text) == []
    return [one for one in yaml.safe_load_all(text) if one]


def settled(file: str, scratch: Path, port: int, upstream: int) -> str:
    """A proxy's file with this machine's places in it."""
    for name in IN_CLUSTER:
        file = file.replace(name, LOOPBACK)
    file = file.replace(f"{LOOPBACK}:80/", f"{LOOPBACK}:{upstream}/").replace("0.0.0.0:4180", f"{LOOPBACK}:{port}")
    file = file.replace("/etc/sign-on/", f"{scratch}/").replace("/etc/oauth2-proxy/", f"{scratch}/")
    outside = [url for url in re.findall(r'"https?://([^/:"]+)', file) if url != LOOPBACK and not url.endswith(DOMAIN)]
    assert not outside, f"it would ask {outside}"
    if 'provider = "google"' in file:  # those that are not told are Google's own
        assert {"login_url", "redeem_url", "validate_url"} <= {line.split(" = ")[0] for line in file.splitlines()}
    return file


@pytest.fixture(scope="module", params=["iris", "google", "drupal"])
def doors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    name, scratch = request.param, tmp_path_factory.mktemp(request.param)
    at, upstream = free_port(), free_port()
    entry = providers(f"http://idp.default.svc:{at}/idp")[name]
    entry |= {"client_id": "gaia", "guards": ["grafana", "drupal"]}
    web = {"namespace": "default", "service": "web"}
    settings = parsed(
        ingress={**INGRESS, "services": {"grafana": web}},
        drupal=SITE,
        sign_on={name: entry},
        sign_on_secrets={name: CLIENT_SECRET},
    )
    assert settings.ingress
    made = rendered(name, sign_on.values(settings, settings.ingress, name, "checksum"), scratch)
    hosts = {one["metadata"]["name"]: one["spec"]["rules"][0]["host"] for one in made if one["kind"] == "Ingress"}
    files = {hosts[one["metadata"]["name"]]: one["data"] for one in made if one["kind"] == "ConfigMap"}
    assert files.keys() == {f"grafana.{DOMAIN}", f"drupal.{DOMAIN}"}
    (scratch / "client-secret").write_text(CLIENT_SECRET)
    (scratch / "cookie-secret").write_text(COOKIE_SECRET)
    issuer = f"http://{LOOPBACK}:{at}/idp"
    with ExitStack() as stack:
        client = {
            "id": "gaia",
            "secret": CLIENT_SECRET,
            "redirectURIs": [f"https://{h}/oauth2/callback" for h in files],
        }
        told = {"issuer": issuer, "listen": f"{LOOPBACK}:{at}", "clients": [client], "people": PEOPLE}
        told |= {"paths": PATHS_OF_DRUPAL} if name == "drupal" else {}
        (scratch / "dex.json").write_text(json.dumps(told))
        stack.enter_context(running("dex", at, scratch / "dex.log", str(scratch / "dex.json")))
        stack.enter_context(service(upstream))
        places = {}
        for host, data in files.items():
            places[host] = free_port()
            file = scratch / f"{host}.toml"
            file.write_text(settled(data["oauth2-proxy.toml"], scratch, places[host], upstream))
            log = scratch / f"{host}.log"
            stack.enter_context(running("oauth2-proxy", places[host], log, f"--config={file}"))
        yield Doors(issuer, places)


GRAFANA, SITE_HOST = f"https://grafana.{DOMAIN}", f"https://drupal.{DOMAIN}"


def test_who_comes_without_a_login_is_sent_to_the_provider(doors: Doors) -> None:
    answer = doors.browser().ask(f"{GRAFANA}/")
    assert answer.status == 302
    assert answer.location.startswith(f"{doors.issuer}/")


def test_the_right_person_gets_in_and_stays_in_by_a_cookie(doors: Doors) -> None:
    browser = doors.browser()
    answer = browser.log_in(f"{GRAFANA}/page?x=1", ADA, PASSWORD)
    assert (answer.status, answer.json()["path"]) == (200, "/page?x=1")
    again = browser.ask(f"{GRAFANA}/other").json()
    assert (again["path"], again["headers"]["X-Forwarded-Email"]) == ("/other", ADA)
    assert "Authorization" not in again["headers"], "the service has logins of its own"


def test_a_person_who_is_not_of_those_that_are_let_in_is_refused(doors: Doors) -> None:
    browser = doors.browser()
    assert browser.log_in(f"{GRAFANA}/", EVE, PASSWORD).status == 403
    assert browser.ask(f"{GRAFANA}/").status == 302


def test_a_wrong_password_is_refused(doors: Doors) -> None:
    browser = doors.browser()
    assert "Invalid" in browser.log_in(f"{GRAFANA}/", ADA, "wrong").text
    assert browser.ask(f"{GRAFANA}/").status == 302


def test_notebooks_talk_over_a_websocket_to_who_is_logged_in(doors: Doors) -> None:
    browser = doors.browser()
    assert browser.talk(f"{GRAFANA}/ws", "hello") == "302"
    browser.log_in(f"{GRAFANA}/", ADA, PASSWORD)
    assert browser.talk(f"{GRAFANA}/ws", "hello") == "hello"


def test_who_signs_out_is_out(doors: Doors) -> None:
    browser = doors.browser()
    assert browser.log_in(f"{GRAFANA}/", ADA, PASSWORD).status == 200
    browser.ask(f"{GRAFANA}/oauth2/sign_out")
    assert browser.ask(f"{GRAFANA}/").status == 302


def test_a_cookie_that_nobody_gave_lets_nobody_in(doors: Doors) -> None:
    browser = doors.browser()
    assert browser.log_in(f"{GRAFANA}/", ADA, PASSWORD).status == 200
    [(name, value)] = [one for one in browser.cookies[f"grafana.{DOMAIN}"].items() if "csrf" not in one[0]]
    assert name.startswith("__Host-"), "a browser takes it from this host alone, and never in clear"
    other = "A" if value[5] != "A" else "B"
    browser.cookies[f"grafana.{DOMAIN}"][name] = value[:5] + other + value[6:]
    assert browser.ask(f"{GRAFANA}/").status == 302


def test_pages_of_the_site_are_everybodys_and_nobody_can_say_who_they_are(doors: Doors) -> None:
    forged = {"X-Forwarded-Email": ADA, "X-Forwarded-User": ADA, "X-Forwarded-Groups": "gaia, users"}
    answer = doors.browser().ask(f"{SITE_HOST}/news", headers=forged)
    assert (answer.status, answer.json()["path"]) == (200, "/news")
    assert not forged.keys() & answer.json()["headers"].keys()


@pytest.mark.parametrize(
    "path",
    [
        *("/admin", "/Admin", "/admin/config?x=/news", "/index.php/admin", "/de/admin", "/user/login"),
        *("//admin", "///admin", "/news/../admin", "/%61dmin", "/admin%2fconfig", "/news/..%2fadmin", "/./admin"),
        *("/admin#/news", "/node/7/edit", "/%2fadmin"),
    ],
)
def test_no_way_of_writing_it_leads_to_the_sites_administration_without_a_login(doors: Doors, path: str) -> None:
    browser = doors.browser()
    answer = browser.ask(f"{SITE_HOST}{path}")
    if answer.status in (301, 308):  # a path that it puts in order first
        answer = browser.ask(answer.location)
    assert (answer.status, answer.location.startswith(f"{doors.issuer}/")) == (302, True), answer


def test_a_request_cannot_say_that_it_is_for_another_path(doors: Doors) -> None:
    for header in ("X-Forwarded-Uri", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL"):
        assert doors.browser().ask(f"{SITE_HOST}/admin", headers={header: "/news"}).status == 302


def test_a_person_gets_to_the_sites_administration(doors: Doors) -> None:
    answer = doors.browser().log_in(f"{SITE_HOST}/admin/config", ADA, PASSWORD)
    assert (answer.status, answer.json()["path"]) == (200, "/admin/config")


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_deploys_a_release_for_each_provider_only_where_its_config_has_some(
    stack: str, tmp_path: Path
) -> None:
    people = {
        "iris": {"client_id": "gaia", "guards": ["zeppelin"]},
        "escape": {"client_id": "gaia", "guards": ["drupal"]},
    }
    secrets = json.dumps(dict.fromkeys(people, CLIENT_SECRET))
    more = {"gaia:ingress": json.dumps(INGRESS), "gaia:sign_on": json.dumps(people), "gaia:sign_on_secrets": secrets}
    without = program(stack, "production", config(stack, "production"), tmp_path)
    assert not [name for name in without.releases if name.startswith("sign-on")]
    before = CONFIG.set(more)
    try:
        found = program(stack, "production", config(stack, "production") | more, tmp_path)
    finally:
        CONFIG.reset(before)
    assert found.releases.keys() - without.releases.keys() == {"ingress", "sign-on-iris", "sign-on-escape"}
    assert {name: found.releases[name] for name in without.releases} == without.releases
    own = [one for one in found.objects if one not in without.objects]
    assert sorted(one["kind"] for one in own) == ["Namespace", "Namespace", "Secret", "Secret"]
    assert complaints(yaml.safe_dump_all(own)) == []
