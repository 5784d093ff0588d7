"""Runs before the notebook server, in its pod: its directories, its configuration, nothing left of an earlier server.

It runs as root, since the top directory of a new share is root's; the server is ACCOUNT. The pods of notebooks are in
another namespace: no owner reference can reach it, and a server that was killed has removed none.
Environment: INTERPRETER_NAMESPACE, INTERPRETER_PODS (the label selector of pods and Services).
Standard library only (Python 3.9 or newer).
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

CONFIGURATION, HOME = Path("/etc/zeppelin"), Path("/var/lib/zeppelin")
ACCOUNT = 1000
DIRECTORIES = ("conf", "notebook")
FILES = ("shiro.ini", "log4j.properties", "log4j2.properties")
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc"


def directories() -> None:
    """Those that the server writes, and its configuration in the first."""
    for path in (HOME, *(HOME / name for name in DIRECTORIES)):
        path.mkdir(exist_ok=True)
        os.chown(path, ACCOUNT, ACCOUNT)
        path.chmod(0o750)
    for name in FILES:
        shutil.copy(CONFIGURATION / name, HOME / "conf" / name)


def interpreters() -> None:
    """The interpreters' settings, in the file that the server keeps itself."""
    settings = HOME / "conf/interpreter.json"
    program = [sys.executable, str(CONFIGURATION / "interpreters.py"), str(CONFIGURATION / "interpreters.json")]
    subprocess.run([*program, str(settings), os.environ["ZEPPELIN_HOME"] + "/interpreter"], check=True)
    os.chown(settings, ACCOUNT, ACCOUNT)


def remove_pods() -> None:
    """Whatever an earlier server has left of notebooks."""
    selector = urllib.parse.urlencode({"labelSelector": os.environ["INTERPRETER_PODS"]})
    context = ssl.create_default_context(cafile=str(TOKEN / "ca.crt"))
    for kind in ("pods", "services"):
        url = f"{API}/api/v1/namespaces/{os.environ['INTERPRETER_NAMESPACE']}/{kind}?{selector}"
        request = urllib.request.Request(url, method="DELETE")
        request.add_header("Authorization", f"Bearer {(TOKEN / 'token').read_text()}")
        with urllib.request.urlopen(request, timeout=60, context=context):
            print(f"no {kind} of an earlier server are left")


if __name__ == "__main__":
    directories()
    interpreters()
    remove_pods()
