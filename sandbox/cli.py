"""The command line: `sandbox/cloud build | up | down | status | reset | run COMMAND...`."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence

from sandbox import expose, lifecycle, operators, status
from sandbox.layout import MARKER, Layout, Port
from sandbox.lifecycle import Progress, SandboxError
from sandbox.prerequisites import PrerequisiteError
from sandbox.processes import CommandError, DaemonError
from sandbox.services import faults

DESCRIPTION = """\
A real OpenStack on this machine, in network namespaces and a directory of its own (.sandbox).

  sandbox/cloud build                  make what is made once: packages, hosts' image, mirror (`up` does so too)
  sandbox/cloud up                     start it: minutes the first time, seconds later; also repairs it
  sandbox/cloud status                 services, hosts, networks, memory, logs
  sandbox/cloud run openstack ...      run a command as its operator: network, clouds.yaml, tools, Pulumi's backend
  sandbox/cloud run pulumi up -s gaia-demo
  sandbox/cloud expose web=203.0.113.17:8080 yarn=10.10.0.21:8088@gaia-demo-zeppelin
                                       pages of hosts on 127.0.0.1: a floating IP, or a tenant's address through a host
  sandbox/cloud fault neutron --status 503 --method POST --path /ports --count 3
                                       let the next requests that fit fail or be slow, for tests
  sandbox/cloud down                   stop it and leave no trace in the kernel; `up` goes on where it was
  sandbox/cloud reset                  the same, and throw its cloud away
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = sys.argv[1:] if words is None else list(words)
    if words[:1] == ["run"] and words[1:2] not in (["-h"], ["--help"]):
        return _told(lambda: operators.run(Layout.here(), words[1:]))
    parser = _parser()
    if not words:
        parser.print_help()
        return 0
    given = parser.parse_args(words)
    return _told(lambda: _dispatch(given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox/cloud", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start or repair the sandbox")
    up.add_argument("--label", default="", help="what a new cloud is for; it keeps that for its life (`tests`)")
    building = commands.add_parser("build", help="make what is made once, start nothing")
    building.add_argument(
        "--nodes", action="store_true", help="and what Kubernetes nodes boot (`make tools-kubernetes`)"
    )
    commands.add_parser("down", help="stop it, keep its state")
    commands.add_parser("status", help="what runs")
    commands.add_parser("reset", help="stop it, throw its state away")
    exposing = commands.add_parser("expose", help="pages of hosts on this machine's loopback; without targets: list")
    exposing.add_argument("targets", nargs="*", metavar="NAME=ADDRESS:PORT[@VIA]", help="with --stop: NAME")
    exposing.add_argument("--stop", action="store_true", help="end these forwards, or all")
    _fault_parser(commands.add_parser("fault", help="let requests fail, for tests; without a service: what is left"))
    run = commands.add_parser("run", help="run a command inside it")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND...")
    return parser


def _fault_parser(parser: argparse.ArgumentParser) -> None:
    services = [port.name.lower() for port in Port if not port.name.startswith("SWIFT_")]
    parser.add_argument("service", nargs="?", choices=services, metavar="SERVICE", help=", ".join(services))
    parser.add_argument("--status", type=int, default=0, help="instead of the API's own answer: 401, 429, 503, ...")
    parser.add_argument("--seconds", type=float, default=0, help="before the answer")
    parser.add_argument("--method", default="", help="only such requests: GET, POST, ...")
    parser.add_argument("--path", type=_expression, default="", help="only paths that this regular expression finds")
    parser.add_argument("--count", type=int, default=1, help="so many requests (1)")
    parser.add_argument("--clear", action="store_true", help="forget what has not happened yet")


def _expression(text: str) -> str:
    try:
        return re.compile(text).pattern
    except re.error as problem:
        raise argparse.ArgumentTypeError(f"{text} is no regular expression: {problem}") from None


def _expose(layout: Layout, given: argparse.Namespace) -> None:
    if os.environ.get(MARKER):
        raise SandboxError("`run` has a loopback of its own: call `sandbox/cloud expose` outside of it.")
    if given.stop:
        expose.stop(layout, given.targets)
    for target in given.targets if not given.stop else ():
        expose.forward(layout, target)
    for made in expose.running(layout):
        print(made)


def _needs_up(layout: Layout) -> None:
    if not (layout.run / "ready").exists():
        raise SandboxError("The sandbox is not up: `sandbox/cloud up` starts it.")


def _fault(layout: Layout, given: argparse.Namespace) -> None:
    if given.clear:
        faults.clear(layout)
    if given.service:
        wanted = faults.Fault(given.service, given.status, given.seconds, given.method, given.path)
        faults.add(layout, wanted, given.count)
    for _, fault in faults.left(layout):
        print(fault)


def _dispatch(given: argparse.Namespace) -> int:
    layout = Layout.here()
    if given.command == "status":
        return status.show(layout)
    if os.geteuid() != 0:
        raise SandboxError("The sandbox makes network namespaces and mounts: run it as root (sudo).")
    if given.command in ("expose", "fault"):
        _needs_up(layout)
        {"expose": _expose, "fault": _fault}[given.command](layout, given)
        return 0
    os.environ[MARKER] = layout.namespace  # what this command starts is found also when it is killed
    say = Progress()
    if given.command == "up":
        lifecycle.up(layout, given.label, say)
        operators.prepare(layout)
    elif given.command == "build":
        lifecycle.build(layout, say, nodes=given.nodes)
    else:
        {"down": lifecycle.down, "reset": lifecycle.reset}[given.command](layout, say)
    return 0


def _told(command: Callable[[], int]) -> int:
    """Run a command; what the user can do something about is said without a traceback."""
    try:
        return command()
    except (SandboxError, PrerequisiteError, CommandError, DaemonError, expose.ExposeError) as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `sandbox/cloud status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(
            "sandbox: interrupted; the same command goes on from here, `sandbox/cloud down` cleans up", file=sys.stderr
        )
        return 130
