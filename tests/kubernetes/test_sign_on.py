"""Sign-on on the cluster, as a stack of services deploys it: three shapes of providers, a browser that comes through
the load balancer and the ingress controller. (All that a proxy refuses: tests/render/test_sign_on.py.)"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

from components.kubernetes import ingress
from components.kubernetes.sign_on import NAMESPACE
from tests import chromium
from tests.kubernetes import sign_on
from tests.kubernetes.cluster import CLOUD, LAYOUT, Cluster
from tests.kubernetes.notebook import ready
from tests.kubernetes.services import services
from tests.kubernetes.sign_on import Browser, Object, issuer
from tests.leftovers import everything
from tests.stack import Stack

DOMAIN = "gaia-dev.example.org"
PICTURES = LAYOUT.cache / "pictures/sign-on"
ADA, EVE, PASSWORD = "ada@example.org", "eve@example.com", "lovelace"
PEOPLE = {ADA: {"password": PASSWORD, "groups": ["gaia/users"]}, EVE: {"password": PASSWORD, "groups": ["others"]}}
CLIENT_SECRET = "what a provider knows us by"
GROUPS = {"allowed_groups": ["gaia/users"], "scopes": ["openid", "email", "profile", "groups"]}
# The sandbox's own provider, in the shapes of: IRIS IAM; Google; our own site, whose module answers at its own paths
OF_DRUPAL = {"authorize": "/auth", "token": "/token", "jwks": "/keys", "userinfo": "/userinfo"}
PATHS = {"drupal": {f"/oauth/{name}": path for name, path in OF_DRUPAL.items()}}
OF_GOOGLE = {"login": "auth", "redeem": "token", "validate": "userinfo"}
PROVIDERS: dict[str, dict[str, Any]] = {
    "iris": {"issuer": issuer("iris"), "guards": ["zeppelin", "drupal", "web"], **GROUPS},
    "google": {
        "endpoints": {name: f"{issuer('google')}/{path}" for name, path in OF_GOOGLE.items()},
        "guards": ["dashboard"],
        "emails": [ADA],
    },
    "drupal": {"issuer": issuer("drupal"), "guards": ["dashboard"], "hosts": {"dashboard": "board"}, **GROUPS},
}
INGRESS = {"class": "public", "domain": DOMAIN, "services": {"web": {"namespace": "default", "service": "web"}}}
# What each host shows to who gets in, at which path
PAGES = {
    "zeppelin": ("iris", "/api/version", "version"),
    "drupal": ("iris", "/index.php/admin", "nodes"),
    "web": ("iris", "/", "web-"),
    "dashboard": ("google", "/", "Headlamp"),
    "board": ("drupal", "/", "Headlamp"),
}


def set_secret(stack: Stack, name: str, value: str) -> None:
    stack.pulumi("config", "set", "--secret", "--path", f"gaia:sign_on_secrets.{name}", value)


def beside() -> list[Object]:
    """What the program does not deploy."""
    made: list[Object] = []
    for name, entry in PROVIDERS.items():
        hosts = [entry.get("hosts", {}).get(service, service) for service in entry["guards"]]
        back = [f"https://{host}.{DOMAIN}/oauth2/callback" for host in hosts]
        client = {"id": "gaia", "secret": CLIENT_SECRET, "redirectURIs": back}
        made += sign_on.provider(name, [client], PEOPLE, PATHS.get(name, {}))
    return made


@dataclass(frozen=True)
class Place:
    """The cluster, the stack that guards its services, and browsers."""

    cluster: Cluster
    stack: Stack
    door: str

    def browser(self, name: str) -> Browser:
        """A new one, without cookies."""
        browser = Browser(self.cluster, name, self.door, "/tmp/hosts.pem")
        browser.run('rm -f "/tmp/$1.cookies"', name)
        return browser

    def pods(self, provider: str) -> set[str]:
        """The proxies of a provider: others after a restart."""
        words = ("-n", NAMESPACE, "-l", f"app.kubernetes.io/instance=sign-on-{provider}")
        found = self.cluster.get("pods", *words, "--field-selector=status.phase=Running")["items"]
        return {pod["metadata"]["uid"] for pod in found if "deletionTimestamp" not in pod["metadata"]}


@pytest.fixture(scope="module")
def place(cluster: Cluster, state_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    ready(cluster)  # its server's node may have been rebooted before
    for one in beside():
        cluster.apply(one)
    for name in PROVIDERS:
        cluster.until_says("1", "get", "deployment", f"idp-{name}", "-o", "jsonpath={.status.readyReplicas}")
    providers = {name: {"client_id": "gaia", **entry} for name, entry in PROVIDERS.items()}
    directory = tmp_path_factory.mktemp("ingress")
    stack = services(cluster, state_backend, directory, "gaia-dev-ingress", ingress=INGRESS, sign_on=providers)
    try:
        yield guarded(cluster, stack)
    finally:
        stack.destroy()
        stack.pulumi("stack", "rm", "--yes")
        for one in reversed(beside()):
            cluster.kubectl("delete", one["kind"].lower(), one["metadata"]["name"], "--wait=false")


def guarded(cluster: Cluster, stack: Stack) -> Place:
    """`up`; a browser trusts the hosts' certificate that the stack has signed."""
    for name in PROVIDERS:
        set_secret(stack, name, CLIENT_SECRET)
    stack.up()
    told = stack.outputs()
    door = told["ingress_address"]
    found = Place(cluster, stack, door)
    found.browser("first").run('printf %s "$1" > /tmp/hosts.pem', told["hosts_certificate"])
    look = ("exec", "deployment/client", "--", "curl", "-s", "-m", "5", "--cacert", "/tmp/hosts.pem", "-o", "/dev/null")
    for host in PAGES:  # the controller looks every two seconds
        url = ("--resolve", f"*:443:{door}", "-w", "%{http_code}", f"https://{host}.{DOMAIN}/oauth2/sign_in")
        cluster.until_says("302", *look, *url)
    return found


def log_in(browser: Browser, url: str, email: str, password: str = PASSWORD) -> sign_on.Answer:
    form = browser.open(url)
    assert "password" in form.text, form
    return browser.open(form.url, "-d", f"login={email}", "-d", f"password={password}")


@pytest.mark.parametrize("host", PAGES)
def test_who_comes_without_a_login_is_sent_to_the_hosts_provider(place: Place, host: str) -> None:
    provider, path, _ = PAGES[host]
    answer = place.browser("nobody").open(f"https://{host}.{DOMAIN}{path}", follow=False)
    assert answer.status == 302
    assert answer.location.startswith(f"{issuer(provider)}/")


@pytest.mark.parametrize("host", PAGES)
def test_the_right_person_gets_to_the_service_and_is_out_after_signing_out(place: Place, host: str) -> None:
    _, path, shown = PAGES[host]
    url, browser = f"https://{host}.{DOMAIN}", place.browser("ada")
    answer = log_in(browser, url + path, ADA)
    assert (answer.status, answer.url) == (200, url + path)
    assert shown in answer.text
    assert browser.open(url + path, follow=False).status == 200
    browser.open(f"{url}/oauth2/sign_out", follow=False)
    assert browser.open(url + path, follow=False).status == 302


@pytest.mark.parametrize("host", PAGES)
def test_a_person_of_no_allowed_group_or_address_is_refused(place: Place, host: str) -> None:
    _, path, _ = PAGES[host]
    browser = place.browser("eve")
    assert log_in(browser, f"https://{host}.{DOMAIN}{path}", EVE).status == 403
    assert browser.open(f"https://{host}.{DOMAIN}{path}", follow=False).status == 302


def test_the_sites_pages_are_everybodys(place: Place) -> None:
    answer = place.browser("nobody").open(f"https://drupal.{DOMAIN}/", follow=False)
    assert (answer.status, "nodes" in json.loads(answer.text)) == (200, True)


def test_a_second_run_changes_nothing_and_no_secret_is_in_the_state(place: Place) -> None:
    place.stack.assert_unchanged()
    state = place.stack.state()
    assert CLIENT_SECRET not in state
    assert yaml.safe_load(place.stack.outputs()["kubeconfig"])["users"][0]["user"]["client-key-data"] not in state


def test_a_new_client_secret_restarts_the_proxies_of_its_provider_alone(place: Place) -> None:
    before = {name: place.pods(name) for name in PROVIDERS}
    set_secret(place.stack, "google", "another secret")
    place.stack.up()
    set_secret(place.stack, "google", CLIENT_SECRET)
    assert not place.pods("google") & before["google"]
    assert {name: place.pods(name) for name in ("iris", "drupal")} == {n: before[n] for n in ("iris", "drupal")}
    place.stack.up()
    assert log_in(place.browser("ada"), f"https://dashboard.{DOMAIN}/", ADA).status == 200


# ---- the same as people see it


@pytest.fixture(scope="module")
def hosts(place: Place) -> Iterator[dict[str, str]]:
    """Where a browser finds the hosts of the door, and the providers, which are in the cluster."""
    chromium.install()
    with contextlib.ExitStack() as stack:
        found = {f"*.{DOMAIN}": place.door}
        for name in PROVIDERS:
            where = place.cluster.forwarded(f"idp-{name}", sign_on.PROVIDER_PORT)
            found[issuer(name).split("/")[2].partition(":")[0]] = stack.enter_context(where)
        yield found


def enter(browser: WebDriver, email: str) -> None:
    """Fill the provider's form."""
    browser.find_element(By.NAME, "login").send_keys(email)
    password = browser.find_element(By.NAME, "password")
    password.send_keys(PASSWORD)
    password.submit()


@pytest.mark.parametrize("host", PAGES)
def test_a_browser_shows_each_host_to_who_may_see_it(hosts: dict[str, str], host: str, tmp_path: Path) -> None:
    """With pictures: anonymous, a person who may not, one who may, and signed out."""
    provider, path, shown = PAGES[host]
    url = f"https://{host}.{DOMAIN}"
    PICTURES.mkdir(parents=True, exist_ok=True)

    def picture(moment: str) -> None:
        assert browser.save_screenshot(str(PICTURES / f"{host}-{moment}.png"))

    with chromium.chromium(tmp_path / "eve", hosts) as browser:
        browser.get(url + path)
        assert browser.current_url.startswith(f"{issuer(provider)}/")
        picture("anonymous")
        enter(browser, EVE)
        chromium.until(browser, lambda page: "403" in page.find_element(By.TAG_NAME, "body").text)
        picture("refused")
    with chromium.chromium(tmp_path / "ada", hosts) as browser:
        browser.get(url + path)
        enter(browser, ADA)
        chromium.until(browser, lambda page: page.current_url == url + path and shown in page.page_source)
        picture("in")
        browser.get(f"{url}/oauth2/sign_out")
        browser.get(url + path)
        assert browser.current_url.startswith(f"{issuer(provider)}/")
        picture("out")


# ---- the stack's secrets, its end


def test_who_operates_one_stack_cannot_read_the_secrets_of_another(place: Place) -> None:
    """In the same backend, each with the passphrase that its operators have."""
    mine, others = place.stack, place.cluster.stack
    for stack, other in ((mine, others), (others, mine)):
        said = stack.run("pulumi", "stack", "output", "--show-secrets", "--stack", other.name, check=False)
        assert said.returncode != 0
        assert "incorrect passphrase" in said.stdout


def test_destroy_leaves_nothing_of_the_stack_on_the_cluster_and_all_that_it_guarded(place: Place) -> None:
    notebooks = place.cluster.kubectl("get", "pods", "-n", "zeppelin", "-o", "name")
    place.stack.destroy()
    left = place.cluster.kubectl("get", "namespaces", "-o", "name").split()
    assert not {f"namespace/{name}" for name in (NAMESPACE, ingress.NAME)} & set(left)
    assert "namespace/zeppelin" in left
    assert everything(place.cluster.stack.sandbox, CLOUD)["load_balancers"] == []
    assert place.cluster.kubectl("get", "pods", "-n", "zeppelin", "-o", "name") == notebooks
