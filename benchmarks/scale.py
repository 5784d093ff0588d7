"""`python -m benchmarks.scale`: up, preview and destroy of 4, 16 and 64 workers, beside the same by OpenTofu.

To be run in the network of an OpenStack cloud whose hosts need not boot: `make bench` does it on the sandbox.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openstack

from benchmarks import build, measure
from benchmarks.engines import Engine, OpenTofu, Pulumi
from benchmarks.resources import Deployment, DifferenceError, assert_same
from benchmarks.table import markdown
from tests.leftovers import ASK

RESULTS = Path(__file__).with_name("results")
SAME = 10  # OpenTofu's default parallelism; Pulumi's is four times the machine's cores
SIDES: tuple[tuple[type[Pulumi] | type[OpenTofu], int | None], ...] = ((Pulumi, None), (OpenTofu, SAME), (Pulumi, SAME))


@dataclass(frozen=True)
class Run:
    """One measured command: size, round, side, command and cost."""

    workers: int
    round: int
    side: str
    command: str
    resources: int
    state_kib: float
    cost: measure.Cost


def everything(cloud: str) -> dict[str, list[str]]:
    """Names of everything that the project has, asked of the APIs."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK, cloud], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise measure.CommandError(f"the cloud {cloud!r} does not answer:\n  {done.stderr.strip()[-1500:]}")
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def make_room(cloud: str, workers: int) -> None:
    """Raise the project's quotas in the sandbox to what so many workers need, as an administrator would."""
    if "GAIA_SANDBOX" not in os.environ:  # another cloud: its administrator does
        return
    admin, project = openstack.connect(cloud="admin"), str(openstack.connect(cloud=cloud).current_project_id)
    servers = workers + 4
    admin.set_compute_quotas(project, instances=servers, cores=64 * servers, ram=65536 * servers)
    admin.set_volume_quotas(project, volumes=servers, gigabytes=1024 * servers)
    admin.set_network_quotas(project, port=4 * servers)


class Benchmark:
    """All runs of one call, in a directory that goes away with its states and keys."""

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        self.cloud, self.wait, self.directory = chosen.cloud, chosen.wait, directory
        self.sides = SIDES[:2] if chosen.defaults else SIDES

    def size(self, workers: int, rounds: int) -> Iterator[Run]:
        """Measure one size, turning the order of the sides round after each round."""
        deployment = Deployment(self.cloud, workers)
        make_room(self.cloud, workers)
        for number in range(1, rounds + 1):
            sides = self.sides if number % 2 else tuple(reversed(self.sides))
            made = []
            for index, (kind, parallel) in enumerate(sides):
                engine = kind(deployment, self.directory / f"{workers}-{number}-{index}", parallel)
                count, runs = self._side(engine, workers, number)
                yield from runs
                made.append((engine.label, count))
                assert_same(made[0], made[-1])

    def _side(self, engine: Engine, workers: int, number: int) -> tuple[Counter[str], list[Run]]:
        before = everything(self.cloud)
        commands = engine.commands()
        measure.wait_until_idle(self.wait)
        costs = {}
        try:
            costs["up"] = self._command(engine, workers, "up", commands["up"])
            count, state, there = engine.count(), engine.state_kib(), everything(self.cloud)
            for name in ("preview", "preview, refresh", "destroy"):
                costs[name] = self._command(engine, workers, name, commands[name])
        except BaseException:
            self._clean_up(engine, commands["destroy"], before)
            raise
        self._assert_empty(before, there)
        about = (count.total(), round(state, 1))
        return count, [Run(workers, number, engine.label, name, *about, cost) for name, cost in costs.items()]

    def _command(self, engine: Engine, workers: int, name: str, command: Sequence[str]) -> measure.Cost:
        cost = engine.run(f"{engine.label}, {workers} workers: {name}", command)
        print(f"{workers:>4} workers  {engine.label:<26} {name:<18} {cost.wall:7.1f} s", flush=True)
        return cost

    def _clean_up(self, engine: Engine, destroy: Sequence[str], before: dict[str, list[str]]) -> None:
        """After a failure or Ctrl-C: remove what was made, and say so if that fails too."""
        print(f"  stopped: removing what {engine.label} has made", file=sys.stderr, flush=True)
        try:
            engine.run("destroy", destroy)
        except measure.CommandError as problem:
            print(f"  {problem}", file=sys.stderr)
        if (left := everything(self.cloud)) != before:
            print(f"  the project {self.cloud} still has {_more(before, left)}: remove it by hand", file=sys.stderr)

    def _assert_empty(self, before: dict[str, list[str]], there: dict[str, list[str]]) -> None:
        """What was there is gone again, and it had been there."""
        after = everything(self.cloud)
        if after != before:
            raise DifferenceError(f"destroy has left in the project {self.cloud}: {_more(before, after)}")
        if len(there["servers"]) <= len(before["servers"]):
            raise DifferenceError(f"up has made no servers in the project {self.cloud}")


def _more(before: dict[str, list[str]], after: dict[str, list[str]]) -> str:
    extra = {kind: sorted(set(names) - set(before[kind])) for kind, names in after.items()}
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in extra.items() if names)


def opentofu_version() -> str:
    """What `tofu` says it is, whatever configuration file the caller's environment names."""
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull}
    shown = json.loads(subprocess.check_output([build.TOFU, "version", "-json"], env=environment))
    return str(shown["terraform_version"])


def machine() -> dict[str, Any]:
    """What the figures depend on, without naming the machine."""
    with Path("/proc/meminfo").open(encoding="ascii") as lines:
        memory = int(next(line for line in lines if line.startswith("MemTotal")).split()[1])
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "pulumi": subprocess.check_output(["pulumi", "version"], text=True).strip(),
        "opentofu": opentofu_version(),
    }


def sizes(text: str) -> tuple[int, int]:
    """ "16:2" -> 16 workers, 2 rounds."""
    workers, _, rounds = text.partition(":")
    return int(workers), int(rounds or 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=sizes, default=[(4, 2), (16, 2), (64, 1)], metavar="WORKERS[:ROUNDS]",
        help="4:2 16:2 64:1 when nothing is said",
    )  # fmt: skip
    parser.add_argument("--defaults", action="store_true", help="leave out Pulumi at OpenTofu's parallelism")
    parser.add_argument("--wait", type=float, default=180, help="seconds to wait for an idle machine before each side")
    parser.add_argument("--cloud", default="iris-gaia-dev", help="entry of clouds.yaml; its project must be unused")
    return parser.parse_args()


def save(document: dict[str, Any]) -> Path:
    """Write the figures beside this script (git ignores them)."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return file


def measured(chosen: argparse.Namespace) -> Iterator[Run]:
    """The runs of all sizes."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        benchmark = Benchmark(chosen, Path(directory))
        for workers, rounds in chosen.sizes:
            yield from benchmark.size(workers, rounds)


def main() -> int:
    """Measure, print the table, keep the figures; the exit status."""
    chosen = arguments()
    if not build.TOFU.exists():
        print("OpenTofu is not built: run `python -m benchmarks.build` (`make bench` does it)", file=sys.stderr)
        return 1
    measure.adopt_orphans()
    about, runs = machine(), []
    try:
        for run in measured(chosen):
            runs.append(run)
    except (measure.CommandError, DifferenceError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if runs:
            rows = [asdict(run) for run in runs]
            print("\n" + markdown(rows))
            print(f"\n{about}\nfigures: {save({'machine': about, 'runs': rows}).relative_to(build.HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
