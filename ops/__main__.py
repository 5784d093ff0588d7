"""python -m ops VERB: see `python -m ops --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import openstack.exceptions

from ops import archives, backup, catalogue, changed, libraries, recover, review, schema, smoke, state, status, sweep
from ops.cloud import OpsError


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m ops", description="What pulumi has no verb for.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    make = verbs.add_parser("state", help="make the state bucket and its credential, and check that they work")
    make.add_argument("--cloud", required=True, help="entry of clouds.yaml")
    make.add_argument("--bucket", required=True)
    make.add_argument("--environment", required=True, type=Path, help="file for the environment (mode 600)")
    make.add_argument("--endpoint", help="URL of the S3 store; else the cloud's own")
    make.add_argument("--region", default="us-east-1")
    make.add_argument(
        "--access-key-file", type=Path, help="lines AWS_ACCESS_KEY_ID=, AWS_SECRET_ACCESS_KEY=; else Keystone"
    )
    fill = verbs.add_parser("fill", help="fill a catalogue share by a command, once; later: check it")
    fill.add_argument("--cloud", required=True, help="entry of clouds.yaml of the data project")
    fill.add_argument("--share", required=True)
    fill.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        help="gets the share's directory as its last argument; is run again if it was cut off",
    )
    again = verbs.add_parser("recover", help="after a killed engine: remove what it left unnoted in the cloud")
    again.add_argument("-s", "--stack", required=True)
    left = verbs.add_parser("sweep", help="list what a stack's cluster has left in the cloud, or remove it")
    left.add_argument("-s", "--stack", required=True)
    left.add_argument("--remove", action="store_true", help="remove what is listed")
    sums = verbs.add_parser("archives", help="compare the archives' checksums with what their publishers state")
    sums.add_argument("-s", "--stack", required=True)
    sums.add_argument("--pin", action="store_true", help="write what they state into the stack's file")
    packages = verbs.add_parser("libraries", help="lock the hosts' Python libraries: versions and hashes, into a file")
    packages.add_argument("-s", "--stack", required=True)
    packages.add_argument("--upgrade", action="store_true", help="take newer versions of what is locked")
    packages.add_argument(
        "--from-index", action="store_true", help="ask the package index, though hosts have a find_links"
    )
    hosts = verbs.add_parser("status", help="how the hosts are, as a table; ends with 1 when something is wrong")
    hosts.add_argument("-s", "--stack", required=True)
    copy = verbs.add_parser("backup", help="copy notebooks and HDFS's list of files to the project's object store")
    copy.add_argument("-s", "--stack", required=True)
    copy.add_argument("--list", action="store_true", help="only list the copies that there are")
    back = verbs.add_parser("restore", help="put a copy back; the notebook server or the NameNode restarts for that")
    back.add_argument("-s", "--stack", required=True)
    back.add_argument("part", choices=backup.PARTS)
    back.add_argument("--of", default="", metavar="TIME", help="of that time, as --list shows it; else the newest")
    seen = verbs.add_parser("review", help="preview a stack and say what it means, as the comment of a pull request")
    seen.add_argument("-s", "--stack", required=True)
    seen.add_argument("--post", action="store_true", help="write it to the request of this job of GitHub or GitLab")
    seen.add_argument("--svg", type=Path, help="also draw it into this file")
    which = verbs.add_parser("changed", help="which stacks a branch is about, as a JSON list")
    which.add_argument("--since", required=True, metavar="REVISION", help="which the branch began at, or left")
    verbs.add_parser("schema", help="write the schema of the stacks' files after the settings have changed")
    test = verbs.add_parser("smoke", help="run the Spark job over the catalogue and a notebook paragraph")
    test.add_argument("-s", "--stack", required=True)
    test.add_argument("--catalogue", default="/data/gaia/GDR3")
    test.add_argument("--png", required=True, type=Path, help="where the picture goes")
    return top


def main(argv: list[str]) -> int:
    """Carry out one verb; the exit status."""
    chosen = parser().parse_args(argv)
    fine = True
    try:
        if chosen.verb == "state":
            lines = state.state(
                chosen.cloud, chosen.bucket, chosen.environment, chosen.endpoint, chosen.region, chosen.access_key_file
            )
        elif chosen.verb == "fill":
            words = chosen.command[chosen.command[:1] == ["--"] :]
            lines = [catalogue.fill(chosen.cloud, chosen.share, words)]
        elif chosen.verb == "recover":
            lines = recover.recover(chosen.stack)
        elif chosen.verb == "sweep":
            lines = sweep.sweep(chosen.stack, chosen.remove)
        elif chosen.verb == "archives":
            lines = archives.archives(chosen.stack, chosen.pin)
        elif chosen.verb == "libraries":
            lines = libraries.lock(chosen.stack, chosen.upgrade, chosen.from_index)
        elif chosen.verb == "status":
            lines, fine = status.status(chosen.stack)
        elif chosen.verb == "changed":
            lines = changed.changed(Path.cwd(), chosen.since)
        elif chosen.verb == "review":
            lines, fine = review.review(chosen.stack, chosen.svg, chosen.post)
        elif chosen.verb == "schema":
            lines = schema.write(Path.cwd())
        elif chosen.verb == "backup":
            lines = backup.listed(chosen.stack) if chosen.list else backup.backup(chosen.stack)
        elif chosen.verb == "restore":
            lines = backup.restore(chosen.stack, chosen.part, chosen.of)
        else:
            lines = smoke.smoke(chosen.stack, chosen.catalogue, chosen.png)
    except (OpsError, OSError, openstack.exceptions.SDKException) as problem:
        print(f"ops {chosen.verb}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nops {chosen.verb}: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    print(*lines, sep="\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
