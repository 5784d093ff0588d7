"""python -m demo up [kubernetes] | down"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.hadoop.ports import Port
from components.kubernetes.notebooks import NAME

ROOT = Path(__file__).parent.parent
CLOUD = str(ROOT / "sandbox" / "cloud")
OPERATOR_ENVIRONMENT = ROOT / ".sandbox" / "state" / "operator.env"
PNG = ROOT / ".demo" / "sky.png"
STACK, KUBERNETES_STACK, DATA_STACK = "gaia-demo", "gaia-dev", "gaia-data"
KUBECTL, KUBECONFIG = str(ROOT / ".tools/kubernetes/kubectl"), ROOT / ".demo" / "kubeconfig"
SHARE = "aglais-data-gaia-dr3-2048-20221107"
PYTHON = sys.executable


class Phases:
    """What each phase cost."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, what: str) -> Iterator[None]:
        """Announce a phase and time it."""
        print(f"\n==> {what}", flush=True)
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        return f"{parts}; together {sum(self.seconds.values()):.0f} s"


def command(*argv: str) -> None:
    """Run a command in the foreground, from the checkout's root. Raises CalledProcessError when it fails."""
    with subprocess.Popen(argv, cwd=ROOT) as child:
        try:
            status = child.wait()
        except KeyboardInterrupt:
            # the terminal has told the child too: pulumi first notes what it has under way
            child.wait()
            raise
    if status:
        raise subprocess.CalledProcessError(status, argv)


def cloud(*argv: str) -> None:
    """Run an operator's command in the sandbox's network."""
    command(CLOUD, "run", *argv)


def said(*argv: str) -> str:
    """What an operator's command in the sandbox's network prints."""
    return subprocess.run([CLOUD, "run", *argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def pulumi_up(stack: str) -> None:
    """`pulumi up` of a stack, made first if it is not there."""
    cloud("pulumi", "stack", "select", "--create", "--non-interactive", stack)
    cloud(PYTHON, "-m", "ops", "recover", "-s", stack)  # a run before may have been killed
    cloud("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack)


def up(stack: str = STACK) -> None:
    """Everything, in the order in which an operator would do it on a new cloud."""
    kubernetes = stack == KUBERNETES_STACK
    phases = Phases()
    with phases.phase("sandbox", "An OpenStack cloud on this machine"):
        if kubernetes:
            command(CLOUD, "build", "--nodes")
        command(CLOUD, "up")
    with phases.phase("state", "The shared state backend: a bucket on the cloud's object store"):
        environment = ["--environment", str(OPERATOR_ENVIRONMENT)]
        cloud(PYTHON, "-m", "ops", "state", "--cloud", "iris-gaia-demo", "--bucket", "pulumi-state", *environment)
    with phases.phase("data", f"Stack {DATA_STACK}: the catalogue share, filled once (synthetic rows)"):
        pulumi_up(DATA_STACK)
        fill = ["--cloud", "iris-gaia-data", "--share", SHARE]
        cloud(PYTHON, "-m", "ops", "fill", *fill, "--", PYTHON, "-m", "jobs.catalogue")
    what = "a Magnum cluster, shares, Zeppelin" if kubernetes else "network, hosts, HDFS, YARN, Spark, Zeppelin"
    with phases.phase("up", f"Stack {stack}: {what}"):
        pulumi_up(stack)
    with phases.phase("job", "A Spark job over the catalogue, and a notebook paragraph"):
        cloud(PYTHON, "-m", "ops", "smoke", "-s", stack, "--png", str(PNG))
    print(f"\n{phases}\n\nPicture:  {PNG.relative_to(ROOT)}\n\nPages, on this machine's own loopback:", flush=True)
    outputs = json.loads(said("pulumi", "stack", "output", "--stack", stack, "--json"))
    command(CLOUD, "expose", *(cluster_pages(stack) if kubernetes else pages(outputs)))
    print(f"\nLogin:    {outputs['notebook_user']}")
    shown = f"pulumi stack output --stack {stack} --show-secrets notebook_password"
    print(f"Password: sandbox/cloud run {shown}")
    print("(The notebook of the sandbox has its REST interface only: no package registry has Zeppelin's pages.)")
    if kubernetes:
        kubectl = f"{KUBECTL} --kubeconfig {KUBECONFIG}"
        print(f"Cluster:  sandbox/cloud run {kubectl.replace(f'{ROOT}/', '')} get pods -A")


def pages(outputs: dict[str, Any]) -> list[str]:
    """What a browser may want to see of the platform: the notebook, and through the gateway the master's pages."""
    gateway, master = f"{outputs['deployment']['name']}-zeppelin", outputs["hosts"]["master01"]["address"]
    through = {"yarn": Port.RM_HTTP, "hdfs": Port.NAMENODE_HTTP, "spark-history": Port.SPARK_HISTORY}
    notebook = f"notebook={outputs['gateway']}:{Port.ZEPPELIN:d}"
    return [notebook, *(f"{name}={master}:{port:d}@{gateway}" for name, port in through.items())]


def cluster_pages(stack: str) -> list[str]:
    """The notebook, at the address that its Service has on every node."""
    KUBECONFIG.parent.mkdir(exist_ok=True)
    KUBECONFIG.unlink(missing_ok=True)
    KUBECONFIG.touch(mode=0o600)
    KUBECONFIG.write_text(said("pulumi", "stack", "output", "--stack", stack, "--show-secrets", "kubeconfig"))
    ask = (KUBECTL, "--kubeconfig", str(KUBECONFIG), "get", "-o")
    address = said(*ask, "jsonpath={.spec.clusterIP}", "service", NAME, "-n", NAME)
    node = said(*ask, "jsonpath={.items[0].metadata.name}", "nodes", "-l", "magnum.openstack.org/role=worker")
    return [f"notebook={address}:80@{node}"]


def down() -> None:
    """Destroy the demo's stacks, stop the sandbox and throw its state away."""
    if OPERATOR_ENVIRONMENT.exists():
        command(CLOUD, "up")
        made = {stack["name"] for stack in json.loads(said("pulumi", "stack", "ls", "--json"))}
        for stack in sorted(made & {STACK, KUBERNETES_STACK}):
            cloud("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", stack)
    command(CLOUD, "reset")


def main(argv: list[str]) -> int:
    """Carry out one verb; the exit status."""
    verbs: dict[tuple[str, ...], Callable[[], None]] = {
        ("up",): up,
        ("up", "kubernetes"): lambda: up(KUBERNETES_STACK),
        ("down",): down,
    }
    if tuple(argv) not in verbs:
        print(f"usage: python -m demo {' | '.join(map(' '.join, verbs))}", file=sys.stderr)
        return 2
    try:
        verbs[tuple(argv)]()
    except subprocess.CalledProcessError as problem:
        print(
            f"\ndemo: {' '.join(map(str, problem.cmd[:6]))} ... ended with status {problem.returncode}.",
            file=sys.stderr,
        )
        print("What it said is above. The same command goes on from here.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
