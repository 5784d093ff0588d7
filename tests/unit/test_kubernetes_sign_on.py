"""Sign-on: what its settings may be, what its proxies are told. (What comes of it: tests/render, tests/kubernetes.)"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime.config import CONFIG

from components.kubernetes import charts, sign_on
from components.kubernetes.sign_on import DRUPAL_ADMINISTRATION, SignOn, SignOnArgs
from components.settings import SettingsError
from components.settings.sign_on import Ingress
from tests.unit.destination import own_cluster
from tests.unit.test_components import Made, Recorder, record
from tests.unit.test_kubernetes_drupal import SITE
from tests.unit.test_kubernetes_notebooks import parsed

DOMAIN = "gaia-dev.example.org"
INGRESS: dict[str, Any] = {"class": "nginx", "domain": DOMAIN, "tls_secret": "hosts"}
GRAFANA = {**INGRESS, "services": {"grafana": {"namespace": "monitoring", "service": "grafana", "port": 8080}}}
IRIS = {"client_id": "gaia", "guards": ["zeppelin"]}
GOOGLE = {"client_id": "gaia", "guards": ["grafana"], "emails": ["ada@example.org"]}
CLIENT_SECRET = "what iris knows us by"


def given(providers: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The keys of a config with these providers, each with its secret."""
    secrets = dict.fromkeys(providers, CLIENT_SECRET)
    return {"ingress": INGRESS, "sign_on": providers, "sign_on_secrets": secrets, **changed}


def said(**keys: Any) -> list[str]:
    """What is said of a config, each line without the file."""
    with pytest.raises(SettingsError) as wrong:
        parsed(**keys)
    return [line.strip().removeprefix("Pulumi.gaia-dev.yaml: gaia:") for line in str(wrong.value).splitlines()]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (given({"iris": {"guards": ["zeppelin"]}}), "sign_on.iris.client_id is not set"),
        (given({"iris": {**IRIS, "guards": []}}), "sign_on.iris.guards tuple should have at least 1 item"),
        (given({"iris": {**IRIS, "group": "x"}}), "sign_on.iris.group is not a known key"),
        (given({"iris": {**IRIS, "issuer": "http://iam.example.org"}}), "sign_on.iris.issuer must be an https:// URL"),
        (given({"iris": {**IRIS, "issuer": "https://a b"}}), "sign_on.iris.issuer must be an http:// or https:// URL"),
        (given({"iris": {**IRIS, "issuer": "http://iam.svc.example.org"}}), "sign_on.iris.issuer must be an https://"),
        (given({"iris": {**IRIS, "emails": ["ada"]}}), "sign_on.iris.emails.0 must be an e-mail address; is 'ada'"),
        (given({"iris": {**IRIS, "allowed_groups": [""]}}), "sign_on.iris.allowed_groups has an entry that is empty"),
        (given({"iris": {**IRIS, "hosts": {"drupal": "x"}}}), "sign_on.iris hosts names drupal, which guards does not"),
        (given({"iris": {**IRIS, "guards": ["zeppelin"] * 2}}), "sign_on.iris guards names zeppelin twice"),
        (
            given({"iris": {**IRIS, "endpoints": {"login": "https://iam.example.org/login"}}}),
            "sign_on.iris endpoints needs login, redeem and keys",
        ),
        (given({"mine": IRIS}), "sign_on.mine issuer is not set"),
        (given({"drupal": IRIS}), "sign_on.drupal issuer is not set"),
        (given({"google": IRIS}), "sign_on.google emails and email_domains are not set: everybody in the world"),
        (
            given({"google": {**IRIS, "email_domains": ["ed.ac.uk"], "allowed_groups": ["x"]}}),
            "sign_on.google allowed_groups cannot be known of Google",
        ),
        (given({"iris": {**IRIS, "guards": ["drupal"]}}), "sign_on.iris.guards names drupal, but drupal is not set"),
        (given({"iris": {**IRIS, "guards": ["nothing"]}}), "sign_on.iris.guards names nothing, which is none of zepp"),
        (given({"iris": IRIS}, ingress={}), "ingress is not set, without which nobody reaches what sign_on guards"),
        (given({"iris": IRIS}, ingress={**INGRESS, "domain": "nowhere"}), "ingress.domain must be a domain"),
        (given({"iris": IRIS}, ingress=GRAFANA), "ingress.services.grafana is guarded by no provider of sign_on"),
        (
            given({"iris": IRIS}, ingress={**INGRESS, "services": {"drupal": {"namespace": "a", "service": "b"}}}),
            "ingress.services must not have drupal: the platform's own is known already",
        ),
        (
            given({"iris": IRIS, "escape": IRIS}),
            "sign_on.escape.guards: the host zeppelin is already the one of iris: a host has one provider",
        ),
        (
            given({"a" * 31: {**IRIS, "issuer": "https://a.org", "guards": [s := "b" * 31]}},
                  ingress={**INGRESS, "services": {s: {"namespace": "a", "service": "b"}}}),
            f"sign_on.{'a' * 31}: sign-on-{'a' * 31}-{'b' * 31} has 71 characters, more than 63",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_by_its_key(keys: dict[str, Any], line: str) -> None:
    [found] = said(**keys)
    assert found.startswith(line), found


def test_everything_that_is_wrong_is_said_at_once() -> None:
    providers = {"google": {"guards": ["zeppelin"]}, "mine": {**IRIS, "kind": "saml"}}
    found = said(ingress={"class": "Nginx"}, sign_on=providers, sign_on_secrets={"iris": "x"})
    keys = sorted(line.split()[0] for line in found)
    assert keys == [
        *("ingress.class", "ingress.domain"),
        *("sign_on.google.client_id", "sign_on.mine.kind"),
        *("sign_on_secrets.google", "sign_on_secrets.iris", "sign_on_secrets.mine"),
    ]


@pytest.mark.parametrize(
    ("secrets", "line"),
    [
        (
            {},
            "sign_on_secrets.iris is not set: pulumi config set --secret --path gaia:sign_on_secrets.iris",
        ),
        ({"iris": ""}, "sign_on_secrets.iris must be a text that is not empty"),
        ({"iris": ["hush hush"]}, "sign_on_secrets.iris must be a text that is not empty"),
        ("hush hush", "sign_on_secrets must have a secret for each entry of sign_on: pulumi config set --secret"),
    ],
)
def test_a_secret_that_is_not_right_is_said_by_its_key_and_never_shown(secrets: Any, line: str) -> None:
    [found] = said(**given({"iris": IRIS}, sign_on_secrets=secrets))
    assert found.startswith(line), found
    assert "hush" not in found


def test_a_secret_of_a_provider_that_is_gone_is_said() -> None:
    found = said(**given({"iris": IRIS}, sign_on_secrets={"iris": "x", "escape": "hush hush"}))
    assert found == ["sign_on_secrets.escape is of no entry of sign_on"]


def test_the_providers_of_the_platforms_people_are_known_by_their_names() -> None:
    people = {
        "iris": {**IRIS, "allowed_groups": ["gaia"]},
        "google": GOOGLE,
        "escape": {**IRIS, "hosts": {"zeppelin": "z"}},
    }
    found = parsed(**given(people, ingress=GRAFANA)).sign_on
    assert found["iris"].issuer == "https://iris-iam.stfc.ac.uk/"
    assert found["escape"].issuer == "https://iam-escape.cloud.cnaf.infn.it/"
    assert (found["google"].kind, found["google"].issuer) == ("google", "https://accounts.google.com")


def values(name: str, providers: dict[str, Any], **changed: Any) -> dict[str, Any]:
    settings = parsed(**given(providers, **changed))
    assert settings.ingress
    return sign_on.values(settings, settings.ingress, name, "checksum")


def test_one_more_provider_is_an_entry_and_changes_nothing_of_the_others() -> None:
    mine = {"issuer": "https://iam.example.org", "client_id": "us", "guards": ["grafana"]}
    more = values("iris", {"iris": IRIS, "mine": mine}, ingress=GRAFANA)
    assert more == values("iris", {"iris": IRIS})
    found = values("mine", {"iris": IRIS, "mine": mine}, ingress=GRAFANA)
    assert found["existingSecret"] == "sign-on-mine"
    assert found["provider"]["issuer"] == "https://iam.example.org"
    assert found["services"] == [
        {"name": "grafana", "host": f"grafana.{DOMAIN}", "upstream": "http://grafana.monitoring.svc:8080/"}
    ]


def test_two_providers_lead_to_one_service_by_two_hosts() -> None:
    settings = parsed(**given({"iris": IRIS, "escape": {**IRIS, "hosts": {"zeppelin": "zeppelin-escape"}}}))
    assert settings.ingress
    assert sign_on.urls(settings.sign_on, settings.ingress) == {
        "zeppelin (iris)": f"https://zeppelin.{DOMAIN}/",
        "zeppelin (escape)": f"https://zeppelin-escape.{DOMAIN}/",
    }


def test_every_value_is_one_that_the_chart_declares() -> None:
    schema = json.loads((charts.ROOT / charts.OWN / sign_on.CHART / "values.schema.json").read_text())["properties"]
    site = {"iris": {**IRIS, "guards": ["zeppelin", "drupal"]}}
    found = values("iris", site, drupal=SITE)
    assert found.keys() <= schema.keys()
    for part in ("provider", "ingress"):
        assert found[part].keys() <= schema[part]["properties"].keys()
    for service in found["services"]:
        assert service.keys() <= schema["services"]["items"]["properties"].keys()


def test_our_own_site_is_asked_where_its_module_answers_and_tells_nothing_by_itself() -> None:
    site = {"drupal": {**IRIS, "issuer": "https://drupal.example.org/", "endpoints": {"keys": "https://k.example.org"}}}
    told = values("drupal", site)["provider"]
    assert told["kind"] == "oidc"
    assert told["endpoints"] == {
        "login": "https://drupal.example.org/oauth/authorize",
        "redeem": "https://drupal.example.org/oauth/token",
        "keys": "https://k.example.org",
        "profile": "https://drupal.example.org/oauth/userinfo",
    }


ADMINISTRATION = (
    *("/admin", "/Admin/config", "/index.php/admin", "/de/admin/people", "/pt-br/user/1", "/user/login"),
    *("/node/add/page", "/node/7/edit", "/update.php", "/core/install.php", "/INDEX.PHP/en/batch"),
)
PAGES = ("/", "/news", "/node/7", "/administration", "/users", "/core/misc/drupal.js", "/sites/default/files/a.png")


@pytest.mark.parametrize(
    ("path", "needs_login"), [*((path, True) for path in ADMINISTRATION), *((path, False) for path in PAGES)]
)
def test_of_the_site_its_administration_needs_a_login_however_it_is_written(path: str, needs_login: bool) -> None:
    assert bool(re.search(DRUPAL_ADMINISTRATION, path)) == needs_login


# ---- its resources
PROVIDERS: dict[str, Any] = {"iris": IRIS, "google": GOOGLE}


class Hidden(Recorder):
    """Knows the secrets of cookies."""

    def new_resource(self, args: Any) -> tuple[str | None, dict[str, Any]]:
        name, outputs = super().new_resource(args)
        return name, outputs | ({"result": f"cookies of {args.name}"} if args.typ.endswith("RandomPassword") else {})


@pytest.fixture
def made() -> Iterator[Made]:
    keys = given(PROVIDERS, ingress=GRAFANA)
    settings = parsed(**keys)
    ingress = Ingress.model_validate(GRAFANA)

    def build() -> dict[str, str]:
        return SignOn("sign-on", SignOnArgs(settings=settings, ingress=ingress, destination=own_cluster())).urls

    before = CONFIG.set({"gaia:sign_on_secrets": json.dumps(keys["sign_on_secrets"])})
    yield record(build, Hidden())
    CONFIG.reset(before)


def test_each_provider_has_a_release_and_a_secret_of_its_own(made: Made) -> None:
    for name in PROVIDERS:
        release = made["Release", f"sign-on-{name}"]
        assert (release["chart"], release["namespace"]) == ("./charts/oauth2-proxy", "sign-on")
        assert release["values"]["provider"]["name"] == name
        assert release["values"]["existingSecret"] == made["Secret", f"sign-on-{name}"]["metadata"]["name"]
    checksums = {made["Release", f"sign-on-{name}"]["values"]["checksum"] for name in PROVIDERS}
    assert len(checksums) == 2, "each has other cookies"


def test_pods_of_sign_on_are_restricted(made: Made) -> None:
    labels = made["Namespace", "sign-on"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_secret_is_in_what_a_release_is_told(made: Made) -> None:
    assert CLIENT_SECRET in json.dumps(made["Secret", "sign-on-iris"])
    for name in PROVIDERS:
        told = json.dumps(made["Release", f"sign-on-{name}"])
        assert CLIENT_SECRET not in told
        assert "cookies of" not in told
