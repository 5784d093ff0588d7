"""Why what is installed on a cluster does not get ready: what the cluster says of it.

Helm waits until its time is over, and says that. The pods know more: an image that is not there, a program that ends.
`told` lets a failed `up` say it; `lines` is a release's words, without any request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.kubernetes.access import TIMEOUT, connect

LOG_LINES = 20  # of a container that ended, or runs without getting ready
EVENTS = 3  # of a pod, the last ones
Object = dict[str, Any]  # as the API gives it


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a namespace has. `workloads` are the release's own; `logs` the last words of containers, by pod and name."""

    workloads: list[Object]
    replica_sets: list[Object]
    pods: list[Object]
    events: list[Object]
    logs: Mapping[tuple[str, str], str]


def told(what: str, look: Callable[..., list[str]], *where: pulumi.Input[str]) -> pulumi.ResourceHookBinding:
    """The hook of a resource in a cluster: when it fails, the program says what `look` finds `where` it is.

    `where` ends with the cluster's kubeconfig.
    """
    known = pulumi.Output.all(*where)

    async def tell(failed: pulumi.ErrorHookArgs) -> bool:
        if failed.failed_operation == "delete":
            return (
                False  # where the cluster is being replaced, its kubeconfig is known only after everything is deleted
            )
        place = await known.future()
        if place and (said := await asyncio.to_thread(asked, look, *place)):
            # not with the resource: the log waits for its URN, which the engine gives when it is made
            pulumi.log.error(f"{what}:\n" + "\n".join(said))
        return False  # no second try

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"trouble of {what}", tell)])


def asked(look: Callable[..., list[str]], *where: str) -> list[str]:
    """What `look` finds, or why the cluster cannot be asked."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    *place, kubeconfig = where
    try:
        with connect(kubeconfig) as client:
            return look(client, *place)
    except (ApiException, HTTPError) as problem:
        return [f"  its cluster could not be asked: {problem}"]


def of_release(client: Any, release: str, namespace: str) -> list[str]:
    """Lines about what is not ready of a release; none where every pod is. Raises ApiException, urllib3's HTTPError."""
    return lines(gathered(client, release, namespace))


def gathered(client: Any, release: str, namespace: str) -> Evidence:
    """Ask a cluster for all that `lines` needs. Raises ApiException and urllib3's HTTPError."""
    from kubernetes.client import AppsV1Api, BatchV1Api, CoreV1Api

    apps, batch, core = AppsV1Api(client), BatchV1Api(client), CoreV1Api(client)

    kinds = (
        *(apps.list_namespaced_deployment, apps.list_namespaced_daemon_set, apps.list_namespaced_stateful_set),
        batch.list_namespaced_job,
    )
    workloads = [one for ask in kinds for one in objects(ask, namespace) if installed_by(one) == release]
    pods = [pod for pod in objects(core.list_namespaced_pod, namespace) if any(_selects(one, pod) for one in workloads)]
    return Evidence(
        workloads=workloads,
        replica_sets=[
            one
            for one in objects(apps.list_namespaced_replica_set, namespace)
            if any(_selects(workload, one) for workload in workloads)
        ],
        pods=pods,
        events=objects(core.list_namespaced_event, namespace),
        logs=_logs(core, namespace, pods),
    )


def objects(ask: Any, namespace: str) -> list[Object]:
    """What one of the client's methods lists, as the API gives it."""
    answer = ask(namespace, _preload_content=False, _request_timeout=TIMEOUT)
    items: list[Object] = json.loads(answer.data)["items"]
    return items


def installed_by(workload: Object) -> str:
    """The release that an object is of; empty where Helm did not install it."""
    return str(workload["metadata"].get("annotations", {}).get("meta.helm.sh/release-name", ""))


def _selects(workload: Object, member: Object) -> bool:
    wanted = workload["spec"].get("selector", {}).get("matchLabels", {})
    return bool(wanted) and wanted.items() <= member["metadata"].get("labels", {}).items()


def _logs(core: Any, namespace: str, pods: list[Object]) -> dict[tuple[str, str], str]:
    from kubernetes.client import ApiException

    found = {}
    for pod in (one for several in _alike(pods) for one in several[:1]):
        name = pod["metadata"]["name"]
        for status in _not_ready(pod):
            ran_before = bool(status.get("lastState", {}).get("terminated"))
            running = "running" in status["state"]
            if "waiting" in status["state"] and not ran_before:
                continue  # it has said nothing yet
            try:
                answer = core.read_namespaced_pod_log(
                    name, namespace, container=status["name"], tail_lines=LOG_LINES, previous=running and ran_before,
                    _preload_content=False, _request_timeout=TIMEOUT,
                )  # fmt: skip
            except ApiException:
                continue  # kubelet keeps the logs of a container as long as it pleases
            found[name, status["name"]] = answer.data.decode(errors="replace")
    return found


def lines(evidence: Evidence) -> list[str]:
    """What is to be said of all that is not ready. Of pods that are alike the first speaks for the others. Pure."""
    said = []
    for first, *others in _alike(evidence.pods):
        names = ", ".join(one["metadata"]["name"] for one in others)
        node = first["spec"].get("nodeName")
        said.append(
            f"  pod {first['metadata']['name']} {f'on {node}' if node else 'on no node yet'} is not ready"
            + (f", nor {names}" if names else "")
        )
        said += [f"    {line}" for line in _of_containers(first, evidence.logs)]
        said += [f"    {line}" for line in _warnings(first, evidence.events)]
    for maker in (*evidence.workloads, *evidence.replica_sets):
        refused = [one for one in evidence.events if one.get("reason") == "FailedCreate"]
        if warnings := list(_warnings(maker, refused)):
            said += [f"  {maker['metadata']['name']} gets no pods", *(f"    {line}" for line in warnings)]
    return said


def owner(pod: Object) -> str:
    """The uid of what made it; its own where a person did."""
    owners = pod["metadata"].get("ownerReferences") or [pod["metadata"]]
    return str(owners[0]["uid"])


def should_be_ready(pod: Object) -> bool:
    """Whether a pod is not ready, but neither has done its work nor is on its way out."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    ended = pod["status"].get("phase") == "Succeeded" or "deletionTimestamp" in pod["metadata"]
    return not ended and conditions.get("Ready") != "True"


def _alike(pods: Iterable[Object]) -> list[list[Object]]:
    """The pods that should be ready and are not, those of one owner together."""
    groups: dict[str, list[Object]] = {}
    for pod in filter(should_be_ready, pods):
        groups.setdefault(owner(pod), []).append(pod)
    return list(groups.values())


def _not_ready(pod: Object) -> Iterator[Object]:
    """The statuses of the containers that hold a pod up; an init container that has ended well is ready."""
    status = pod["status"]
    for one in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        if not one.get("ready"):
            yield one


def _of_containers(pod: Object, logs: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for status in _not_ready(pod):
        yield f"container {status['name']} ({status['image']}): {_state(status)}"
        text = logs.get((pod["metadata"]["name"], status["name"]), "")
        yield from (f"  | {line}" for line in text.splitlines()[-LOG_LINES:])


def _state(status: Object) -> str:
    """What a container does instead of being ready."""
    state, ended = status["state"], status.get("lastState", {}).get("terminated")
    if "waiting" in state:
        reason, message = state["waiting"].get("reason", "waits"), state["waiting"].get("message", "")
        parts = [f"{reason}: {message}" if message else reason]
    elif "terminated" in state:
        parts, ended = [], state["terminated"]
    else:
        parts = ["runs, but is not ready"]
    if ended:
        parts.append(f"ended with {ended.get('exitCode')} ({ended.get('reason', 'no reason given')})")
    return ", ".join(parts)


def _warnings(item: Object, events: Iterable[Object]) -> Iterator[str]:
    """The last warnings of an object, each once."""
    own = [
        one for one in events
        if one.get("type") == "Warning" and one["involvedObject"].get("uid") == item["metadata"]["uid"]
    ]  # fmt: skip
    own.sort(key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "")
    texts = [f"warning {one.get('reason')}: {one.get('message', '').strip()}" for one in own]
    yield from list(dict.fromkeys(reversed(texts)))[:EVENTS][::-1]
