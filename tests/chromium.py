"""A browser without a screen: Debian's Chromium by its own driver, in the sandbox's network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from sandbox import prerequisites
from sandbox.layout import Layout
from sandbox.namespaces import inside
from tests.conftest import ROOT

PACKAGES = ("chromium", "chromium-driver")
BINARY, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
SIZE = "1200,800"  # of the window, and so of pictures
LIMIT = 60  # seconds for a page


def install() -> None:
    """Debian's packages of it, unless they are there."""
    if not (shutil.which(BINARY) and shutil.which(DRIVER)):
        prerequisites.install_packages(list(PACKAGES))


@contextmanager
def chromium(directory: Path, hosts: Mapping[str, str]) -> Iterator[webdriver.Chrome]:
    """One that knows nothing yet, and whoever uses it, in the sandbox's network.

    `hosts`: where it finds them, names with `*` -> ADDRESS or ADDRESS:PORT. It asks nobody about a certificate: that
    one is right is for clients to test that can say why not.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = BINARY
    options.accept_insecure_certs = True
    found = ", ".join(f"MAP {name} {place}" for name, place in hosts.items())
    # root's needs no-sandbox; containers' /dev/shm is small
    words = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", f"window-size={SIZE}")
    for word in (*words, f"user-data-dir={directory}", f"host-resolver-rules={found}"):
        options.add_argument(f"--{word}")
    with inside(Layout(ROOT).namespace):
        browser = webdriver.Chrome(options, Service(DRIVER))
        browser.set_page_load_timeout(LIMIT)
        try:
            yield browser
        finally:
            browser.quit()


def until(browser: WebDriver, holds: Callable[[WebDriver], bool]) -> None:
    """Wait: a form is sent before it is answered; so long the page is the old one, whose elements go away meanwhile."""
    try:
        WebDriverWait(browser, LIMIT, ignored_exceptions=[StaleElementReferenceException]).until(holds)
    except TimeoutException as problem:
        raise AssertionError(f"at {browser.current_url}:\n{browser.page_source[:2000]}") from problem
