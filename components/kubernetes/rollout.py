"""StatefulSets that would wait for ever: an upgrade puts right what the one before broke, and no pod is replaced.

A StatefulSet waits for a pod of an older revision that never gets ready, also where its template is long a better one
(kubernetes/kubernetes#67250), and Helm waits with it. While a release is upgraded such pods are deleted: that is what
the StatefulSet would do with them if they were ready.
"""

from __future__ import annotations

import asyncio

import pulumi

from components.kubernetes.access import TIMEOUT, connect
from components.kubernetes.trouble import Object, installed_by, objects, owner, should_be_ready

INTERVAL = 5  # seconds


def unblocked(release: str, namespace: pulumi.Input[str], kubeconfig: pulumi.Input[str]) -> pulumi.ResourceHookBinding:
    """The hooks of a release that delete what an upgrade waits for in vain, as long as it is at work.

    An error hook that deletes and asks for another try would do, but for the engine: what succeeds at a second try
    keeps the first one's error in the state, and is updated again by the next `up`.
    """
    known = pulumi.Output.all(release, namespace, kubeconfig)
    at_work: list[asyncio.Task[None]] = []

    async def watch() -> None:
        if where := await known.future():
            while True:
                await asyncio.sleep(INTERVAL)
                for pod in await asyncio.to_thread(clear, *where):
                    pulumi.log.info(f"release {release}: deleted {pod}, of an older revision, which never got ready")

    def begin(_: pulumi.ResourceHookArgs) -> None:
        at_work.append(asyncio.get_running_loop().create_task(watch()))

    def end(_: object) -> None:
        while at_work:
            at_work.pop().cancel()

    def fail(failed: pulumi.ErrorHookArgs) -> bool:
        end(failed)
        return False  # no second try

    return pulumi.ResourceHookBinding(
        before_update=[pulumi.ResourceHook(f"rollout-{release}-begins", begin)],
        after_update=[pulumi.ResourceHook(f"rollout-{release}-ends", end)],
        on_error=[pulumi.ErrorHook(f"rollout-{release}-fails", fail)],
    )


def clear(release: str, namespace: str, kubeconfig: str) -> list[str]:
    """Delete what stands in the way; the names of these pods. A cluster that does not answer is asked the next time."""
    from kubernetes.client import ApiException, AppsV1Api, CoreV1Api
    from urllib3.exceptions import HTTPError

    try:
        with connect(kubeconfig) as client:
            core = CoreV1Api(client)
            sets = objects(AppsV1Api(client).list_namespaced_stateful_set, namespace)
            own = [one for one in sets if installed_by(one) == release]
            gone = outdated(own, objects(core.list_namespaced_pod, namespace)) if own else []
            for pod in gone:
                core.delete_namespaced_pod(pod, namespace, _request_timeout=TIMEOUT)
            return gone
    except (ApiException, HTTPError):
        return []


def outdated(sets: list[Object], pods: list[Object]) -> list[str]:
    """The pods of StatefulSets that are of an older revision and not ready. Pure."""
    latest = {one["metadata"]["uid"]: one["status"].get("updateRevision") for one in sets}
    return [
        pod["metadata"]["name"]
        for pod in pods
        if should_be_ready(pod)
        and (wanted := latest.get(owner(pod)))
        and pod["metadata"]["labels"]["controller-revision-hash"] != wanted
    ]
