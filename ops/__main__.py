"""python -m ops VERB: see `python -m ops --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openstack.exceptions

from ops import (
    archives,
    backup,
    catalogue,
    changed,
    libraries,
    preflight,
    recover,
    review,
    schema,
    smoke,
    state,
    status,
    sweep,
)
from ops.cloud import OpsError

Done = list[str] | tuple[list[str], bool]  # lines, and whether all is well where that is asked
Run = Callable[[Any], Done]
Verb = Callable[[str, Run, str], argparse.ArgumentParser]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m ops", description="What pulumi has no verb for.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text)
        made.set_defaults(run=run)
        return made

    def of_stack(name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made = verb(name, run, text)
        made.add_argument("-s", "--stack", required=True)
        return made

    _once(verb)
    _before(verb, of_stack)
    _afterwards(of_stack)
    return top


def _once(verb: Verb) -> None:
    """What is done once for a project."""
    make = verb("state", _state, "make the state bucket and its credential, and check that they work")
    make.add_argument("--cloud", required=True, help="entry of clouds.yaml")
    make.add_argument("--bucket", required=True)
    make.add_argument("--environment", required=True, type=Path, help="file for the environment (mode 600)")
    make.add_argument("--endpoint", help="URL of the S3 store; else the cloud's own")
    make.add_argument("--region", default="us-east-1")
    make.add_argument(
        "--access-key-file", type=Path, help="lines AWS_ACCESS_KEY_ID=, AWS_SECRET_ACCESS_KEY=; else Keystone"
    )
    fill = verb("fill", _fill, "fill a catalogue share by a command, once; later: check it")
    fill.add_argument("--cloud", required=True, help="entry of clouds.yaml of the data project")
    fill.add_argument("--share", required=True)
    fill.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        help="gets the share's directory as its last argument; is run again if it was cut off",
    )


def _before(verb: Verb, of_stack: Verb) -> None:
    """What comes before a change."""
    sums = of_stack(
        "archives",
        lambda given: archives.archives(given.stack, given.pin),
        "compare the archives' checksums with what their publishers state",
    )
    sums.add_argument("--pin", action="store_true", help="write what they state into the stack's file")
    packages = of_stack(
        "libraries",
        lambda given: libraries.lock(given.stack, given.upgrade, given.from_index),
        "lock the hosts' Python libraries: versions and hashes, into a file",
    )
    packages.add_argument("--upgrade", action="store_true", help="take newer versions of what is locked")
    packages.add_argument(
        "--from-index", action="store_true", help="ask the package index, though hosts have a find_links"
    )
    of_stack(
        "preflight",
        lambda given: preflight.preflight(given.stack),
        "whether an `up` can succeed: quotas, root disks, names, clock, archives",
    )
    seen = of_stack(
        "review",
        lambda given: review.review(given.stack, given.svg, given.post),
        "preview a stack and say what it means, as the comment of a pull request",
    )
    seen.add_argument("--post", action="store_true", help="write it to the request of this job of GitHub or GitLab")
    seen.add_argument("--svg", type=Path, help="also draw it into this file")
    which = verb(
        "changed",
        lambda given: changed.changed(Path.cwd(), given.since),
        "which stacks a branch is about, as a JSON list",
    )
    which.add_argument("--since", required=True, metavar="REVISION", help="which the branch began at, or left")
    verb(
        "schema",
        lambda _: schema.write(Path.cwd()),
        "write the schema of the stacks' files after the settings have changed",
    )


def _afterwards(of_stack: Verb) -> None:
    """What is done with a platform that is there, or was."""
    of_stack(
        "recover",
        lambda given: recover.recover(given.stack),
        "after a killed engine: remove what it left unnoted in the cloud",
    )
    left = of_stack(
        "sweep",
        lambda given: sweep.sweep(given.stack, given.remove),
        "list what a stack's cluster has left in the cloud, or remove it",
    )
    left.add_argument("--remove", action="store_true", help="remove what is listed")
    of_stack(
        "status",
        lambda given: status.status(given.stack),
        "how the hosts are, as a table; ends with 1 when something is wrong",
    )
    copy = of_stack(
        "backup",
        lambda given: backup.listed(given.stack) if given.list else backup.backup(given.stack),
        "copy notebooks and HDFS's list of files to the project's object store",
    )
    copy.add_argument("--list", action="store_true", help="only list the copies that there are")
    back = of_stack(
        "restore",
        lambda given: backup.restore(given.stack, given.part, given.of),
        "put a copy back; the notebook server or the NameNode restarts for that",
    )
    back.add_argument("part", choices=backup.PARTS)
    back.add_argument("--of", default="", metavar="TIME", help="of that time, as --list shows it; else the newest")
    test = of_stack(
        "smoke",
        lambda given: smoke.smoke(given.stack, given.catalogue, given.png),
        "run the Spark job over the catalogue and a notebook paragraph",
    )
    test.add_argument("--catalogue", default="/data/gaia/GDR3")
    test.add_argument("--png", required=True, type=Path, help="where the picture goes")


def _state(given: argparse.Namespace) -> Done:
    return state.state(
        given.cloud, given.bucket, given.environment, given.endpoint, given.region, given.access_key_file
    )


def _fill(given: argparse.Namespace) -> Done:
    words = given.command[given.command[:1] == ["--"] :]
    return [catalogue.fill(given.cloud, given.share, words)]


def main(argv: list[str]) -> int:
    """Carry out one verb; the exit status."""
    chosen = parser().parse_args(argv)
    try:
        done: Done = chosen.run(chosen)
    except (OpsError, OSError, openstack.exceptions.SDKException) as problem:
        print(f"ops {chosen.verb}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nops {chosen.verb}: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    lines, fine = done if isinstance(done, tuple) else (done, True)
    print(*lines, sep="\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
