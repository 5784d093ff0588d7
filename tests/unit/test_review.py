"""What a preview's comment says: of the engine's own JSON, and at a forge that is a web server of the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ops import forge, picture, review
from ops.cloud import OpsError

STACK = "urn:pulumi:gaia-test::gaia::"
PLATFORM = STACK + "gaia:hadoop:HadoopYarn::gaia-test"
BELOW = STACK + "gaia:hadoop:HadoopYarn$"
VOLUME = "gaia:storage:AttachedVolume$openstack:blockstorage/volume:Volume"


def state(urn: str, parent: str, **inputs: Any) -> dict[str, Any]:
    kind = urn.split("::")[2].split("$")[-1]
    return {"urn": urn, "type": kind, "custom": not kind.startswith("gaia:"), "parent": parent, "inputs": inputs}


def step(op: str, kind: str, name: str, parent: str = PLATFORM, **more: Any) -> dict[str, Any]:
    """A step of a preview; `old` and `new` are the inputs before and after."""
    urn = f"{BELOW}{kind}::{name}"
    old, new, flags = more.pop("old", {}), more.pop("new", {}), more.pop("flags", {})
    found = {"op": op, "urn": urn, **more}
    if not op.startswith("create"):
        found["oldState"] = {**state(urn, parent, **old), **flags}
    if not op.startswith("delete"):
        found["newState"] = {**state(urn, parent, **new), **flags}
    return found


def host(name: str) -> dict[str, Any]:
    return step("same", "gaia:hosts:Host", name)


def push(op: str, name: str, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    configuration = f"{BELOW}gaia:hosts:Configuration::{name}"
    old, new = ({"stdin": "[secret]", "triggers": ["id", "[secret]", units]} for units in (before, after))
    kind = "gaia:hosts:Configuration$command:remote:Command"
    return step(op, kind, name, configuration, old=old, new=new, detailedDiff={"stdin": {}, "triggers[2]": {}})


def preview(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    stack = STACK + "pulumi:pulumi:Stack::gaia-test"
    chain = ((stack, ""), (PLATFORM, stack))
    above = [{"op": "same", "urn": urn, "newState": state(urn, parent)} for urn, parent in chain]
    return {"steps": [*above, *steps], **more}


def test_nothing_to_do_is_said_in_a_line() -> None:
    assert review.comment("gaia-test", preview(host("worker01"))) == "### `gaia-test`: no change\n"


CHANGED = preview(
    host("worker01"),
    host("worker02"),
    step("same", "gaia:hosts:Configuration", "worker01"),
    push("replace", "worker01", {"datanode.service": "a", "nodemanager.service": "b"},
         {"datanode.service": "a", "nodemanager.service": "c"}),
    push("create-replacement", "worker01", {}, {}),
    step("delete", f"gaia:hosts:Host${VOLUME}", "worker02", f"{BELOW}gaia:hosts:Host::worker02", old={"size": 512}),
    step("update", "openstack:networking/floatingIp:FloatingIp", "gateway",
         old={"description": "a", "__defaults": []}, new={"description": "b"}, detailedDiff={"description": {}}),
    step("create", "gaia:hosts:Host", "worker03"),
)  # fmt: skip


def test_what_is_lost_comes_first_then_what_restarts_then_all_of_it() -> None:
    said = review.comment("gaia-test", CHANGED)
    lines = said.splitlines()
    assert lines[0] == "### `gaia-test`: 1 deleted, 1 replaced, 1 created, 1 updated"
    assert lines[2] == "- **Volume `worker02` is deleted, and with it what lies on it**"
    assert lines[4:6] == ["Restarted:", "- `worker01`: nodemanager.service"]
    rows = [line for line in lines if line.startswith("| ") and "`" in line]
    assert rows == [
        "| delete | Volume `worker02` |  |",
        "| replace | Configuration `worker01` | stdin, triggers[2] |",
        "| create | Host `worker03` |  |",
        "| update | FloatingIp `gateway` | description |",
    ]
    assert '- description: "a"\n+ description: "b"' in said
    assert "__defaults" not in said


def test_the_picture_has_the_worst_that_happens_to_each_part() -> None:
    rooms = {(room.kind, room.name): room.verb for room in review.drawn(CHANGED)}
    assert rooms == {
        ("Host", "worker01"): "replace",
        ("Host", "worker02"): "delete",
        ("Host", "worker03"): "create",
        ("FloatingIp", "gateway"): "update",
    }
    drawn = picture.mermaid(review.drawn(CHANGED))
    assert '["worker02 (delete)"]:::delete' in drawn
    assert drawn.count("subgraph") == 2
    shown = picture.svg("gaia-test <&>", review.drawn(CHANGED))
    assert shown.count("<rect") == 1 + len(rooms)
    assert "gaia-test &lt;&amp;&gt;" in shown


def test_many_unchanged_hosts_are_one_box() -> None:
    drawn = picture.mermaid([picture.Room("Host", f"worker{n:02}", "create" if n == 7 else "") for n in range(1, 17)])
    assert "worker01 to worker16, 15 unchanged" in drawn
    assert drawn.count("worker") == 3


@pytest.mark.parametrize("kept", [{"protect": True}, {"retainOnDelete": True}])
def test_what_the_engine_does_not_delete_is_not_called_lost(kept: dict[str, bool]) -> None:
    gone = step("delete", "openstack:sharedfilesystem/share:Share", "dr3", flags=kept)
    said = review.comment("gaia-data", preview(gone))
    assert "and with it" not in said


def test_an_operation_that_is_none_of_the_four_is_an_update() -> None:
    kind = "openstack:networking/floatingIp:FloatingIp"
    assert "1 updated" in review.comment("gaia-test", preview(step("import", kind, "gateway")))


def test_an_error_is_said_and_what_was_seen_before_it() -> None:
    wrong = [{"severity": "error", "message": "gaia:hosts is not set\n"}, {"severity": "warning", "message": "old"}]
    said = review.comment("gaia-test", preview(host("worker01"), diagnostics=wrong))
    assert said.splitlines()[0] == "### `gaia-test`: **failed**"
    assert "gaia:hosts is not set" in said
    assert "old" not in said


def test_what_a_policy_refuses_is_said_with_its_resource() -> None:
    urn = f"{BELOW}gaia:network:SecurityGroups$openstack:networking/secGroupRule:SecGroupRule::gaia-test-any"
    event = {"resourceUrn": urn, "message": "What it is for\nport 1 is open\n", "policyName": "ports"}
    log = [{"sequence": 1, "policyEvent": {**event, "enforcementLevel": level}} for level in ("mandatory", "advisory")]
    [refused] = review.refusals(json.dumps(line) for line in [{"sequence": 0, "preludeEvent": {}}, *log])
    failed = [{"severity": "error", "message": "error: preview failed\n"}]
    said = review.comment("gaia-test", preview(host("worker01"), refused=[refused], diagnostics=failed)).splitlines()
    assert said[0] == "### `gaia-test`: **failed**"
    assert said[2:] == ["**Refused** (`policy/rules.py`):", "- gaia-test-any: port 1 is open"]


def test_a_comment_is_never_longer_than_a_forge_takes() -> None:
    kind = "openstack:networking/floatingIp:FloatingIp"
    many = [step("update", kind, f"ip{n}", old={"a": "x" * 300}, new={"a": "y" * 300}) for n in range(400)]
    said = review.comment("gaia-test", preview(*many))
    assert len(said) <= review.MOST
    assert "too long for a comment" in said


class Server:
    """As much of GitHub and GitLab as is asked: texts by their path, a page at a time."""

    def __init__(self) -> None:
        self.texts: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: dict[str, str] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                url = urlsplit(self.path)
                server.headers = dict(self.headers)
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
                found = server.answer(self.command, url.path, parse_qs(url.query), body)
                said = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = do_PATCH = do_PUT = answer

            def log_message(self, *_: object) -> None:
                pass

        self.web = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.web.server_port}"

    def answer(self, verb: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        self.asked.append((verb, path))
        if verb == "GET":
            page, size = int(query["page"][0]), int(query["per_page"][0])
            return self.texts.get(path, [])[(page - 1) * size : page * size] if "none" not in path else None
        if verb == "POST":
            number = sum(map(len, self.texts.values())) + 1
            self.texts.setdefault(path, []).append({"id": number, "number": number, "iid": number, **body})
            return {}
        wanted = path.rpartition("/")[2]
        [one] = [text for texts in self.texts.values() for text in texts if str(text["id"]) == wanted]
        one |= body
        return {}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.web.shutdown()
    thread.join()
    server.web.server_close()


def of_github(server: Server, **more: str) -> forge.Forge:
    given = {"GITHUB_REPOSITORY": "gaia/platform", "GITHUB_API_URL": server.url, "GITHUB_TOKEN": "canary"}
    return forge.of_job({**given, "GITHUB_REF": "refs/pull/7/merge", **more})


def of_gitlab(server: Server, **more: str) -> forge.Forge:
    given = {"CI_PROJECT_ID": "42", "CI_API_V4_URL": server.url, "GITLAB_TOKEN": "canary"}
    return forge.of_job({**given, "CI_MERGE_REQUEST_IID": "7", **more})


PLACES = {of_github: "/repos/gaia/platform/issues/7/comments", of_gitlab: "/projects/42/merge_requests/7/notes"}


@pytest.mark.parametrize("job", PLACES, ids=lambda job: job.__name__)
def test_a_stack_has_one_comment_however_often_it_is_written(server: Server, job: Any) -> None:
    texts = server.texts[PLACES[job]] = [{"id": -n, "body": f"from people {n}"} for n in range(1, 250)]
    first, second = review.marker("gaia-test"), review.marker("gaia-prod")
    assert job(server).comment(first, "one") == "comment written"
    assert job(server).comment(second, "two") == "comment written"
    assert job(server).comment(first, "three") == "comment brought up to date"
    assert [text["body"] for text in texts[249:]] == [f"{first}\nthree", f"{second}\ntwo"]
    assert "canary" in str(server.headers)


@pytest.mark.parametrize(("job", "key"), [(of_github, "body"), (of_gitlab, "description")])
def test_there_is_one_open_issue(server: Server, job: Any, key: str) -> None:
    there = job(server, GITHUB_REF="refs/heads/main", CI_MERGE_REQUEST_IID="")
    assert there.issue("<!-- drift -->", "Drift", "one") == "issue written"
    assert there.issue("<!-- drift -->", "Drift of two", "two") == "issue brought up to date"
    [texts] = server.texts.values()
    assert [(text["title"], text[key]) for text in texts] == [("Drift of two", "<!-- drift -->\ntwo")]
    with pytest.raises(OpsError, match="about no pull or merge request"):
        there.comment("", "")


def test_what_is_missing_and_what_is_refused_is_said_without_the_token(server: Server) -> None:
    with pytest.raises(OpsError, match="no job of GitHub or GitLab"):
        forge.of_job({})
    with pytest.raises(OpsError, match="GITHUB_TOKEN is not set"):
        of_github(server, GITHUB_TOKEN="")
    with pytest.raises(OpsError, match="GET /repos/none/issues/7/comments is answered with 404") as caught:
        of_github(server, GITHUB_REPOSITORY="none").comment("", "")
    assert "canary" not in str(caught.value)
