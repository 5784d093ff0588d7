"""Helm's releases in a stack's clusters: what an engine that was killed left half done.

Helm keeps each revision of a release in a Secret. One that says for ever that an operation is under way refuses every
other, and one that no state knows has the name that the next `up` wants. Helm forgets what has no Secret, and takes
over what it once installed: nothing that runs is touched.
"""

from __future__ import annotations

import json
from typing import Any

from components.kubernetes.access import TIMEOUT, connect
from ops.command import pulumi
from ops.orphans import UNKNOWN

RELEASE = "kubernetes:helm.sh/v3:Release"
UNDER_WAY = "status in (pending-install,pending-upgrade,pending-rollback)"
Resource = dict[str, Any]


class Releases:
    """Those of a stack, each found by its resource as Pulumi tells of it."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._clusters: dict[str, Any] = {}
        self._silent: set[str] = set()  # providers whose cluster did not answer

    def answers(self, resource: Resource) -> bool:
        """Whether its cluster has answered whenever it was asked."""
        return resource["provider"] not in self._silent

    def forget(self, resource: Resource, *, known: bool) -> str:
        """Let Helm forget a release's operations that are under way, and unless the state knows it the whole release.

        What was done, or why nothing could be; empty when nothing had to be, and where that was said already of another
        release of the cluster: who does not answer is not asked again.
        """
        provider = resource["provider"]
        if provider.endswith(UNKNOWN) or not self.answers(resource):
            return ""  # its cluster is not made yet, or has been asked
        # a second of imports: only for stacks that have releases
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        namespace, name = resource["inputs"]["namespace"], resource["inputs"]["name"]
        selector = ",".join([f"owner=helm,name={name}", *([UNDER_WAY] if known else [])])
        try:
            secrets = self._cluster(provider)
            listed = secrets.list_namespaced_secret(namespace, label_selector=selector, _request_timeout=TIMEOUT)
            for revision in listed.items:
                secrets.delete_namespaced_secret(revision.metadata.name, namespace, _request_timeout=TIMEOUT)
        except (ApiException, HTTPError) as problem:
            self._silent.add(provider)
            return f"{name}: its cluster could not be asked for this release, and for no other: {problem}"
        gone = [f"{revision.metadata.name} ({revision.metadata.labels['status']})" for revision in listed.items]
        return f"{name}: Helm has forgotten {', '.join(gone)}; what is installed stays" if gone else ""

    def _cluster(self, provider: str) -> Any:
        """The API of the cluster that a provider of the state leads to."""
        from kubernetes.client import CoreV1Api

        if provider not in self._clusters:
            export = json.loads(pulumi("stack", "export", "--show-secrets", stack=self._stack))
            resources = export["deployment"]["resources"]
            inputs = next(one["inputs"] for one in resources if f"{one['urn']}::{one.get('id')}" == provider)
            self._clusters[provider] = CoreV1Api(connect(json.loads(inputs["kubeconfig"]["plaintext"])))
        return self._clusters[provider]
