"""The rendered configuration of a host, running in namespaces of its own (`rig.py`): for what needs no cloud.

With the sandbox's archives. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from components.hosts.bundle import Bundle
from tests.conftest import ROOT


class Rig:
    """A running host; `run` gives it commands."""

    def __init__(self, scratch: Path, bundle: Bundle) -> None:
        self.scratch = scratch
        (scratch / "bundle.json").write_text(json.dumps(bundle.as_dict()))
        namespaces = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        rig = ["/usr/bin/python3", str(ROOT / "tests/render/rig.py"), str(scratch), str(scratch / "bundle.json")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*namespaces, *rig], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.started: dict[str, Any] = {}

    def wait(self) -> None:
        """Until every daemon is ready: what each took is in `started`."""
        self.started = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the rig ended; what it said is above"
        return json.loads(line)

    def run(self, user: str, *argv: str) -> str:
        """A command as an account of the platform. Raises AssertionError with what it said when it fails."""
        assert self.process.stdin
        print(json.dumps({"user": user, "argv": argv}), file=self.process.stdin, flush=True)
        done = self._answer()
        assert done["status"] == 0, done["out"][-2000:] + done["err"][-4000:]
        return str(done["out"])

    def stop(self) -> None:
        """End it: its process namespace, and everything in it, goes with it."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


CLIENT = """
import http.cookiejar, json, sys, urllib.error, urllib.parse, urllib.request
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
def call(method, path, body=None, form=False):
    data = body and (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request("http://127.0.0.1:8080/api" + path, data, {"Content-Type": kind}, method=method)
    try:
        return json.load(browser.open(request, timeout=300))
    except urllib.error.HTTPError as problem:
        return {"status": problem.code}
def login(user, password):
    return call("POST", "/login", {"userName": user, "password": password}, form=True)["status"]
"""


def notebook(rig: Rig, script: str) -> Any:
    """What a script prints that talks to the notebook's REST interface."""
    return json.loads(rig.run("zeppelin", "/usr/bin/python3", "-c", CLIENT + script))
