"""Helm's releases in a stack's clusters: what an engine that was killed left half done.

Helm keeps each revision of a release in a Secret. One that says for ever that an operation is under way refuses every
other, and one that no state knows has the name that the next `up` wants. Helm forgets what has no Secret, and takes
over what it once installed: nothing that runs is touched.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from ops.command import pulumi
from ops.orphans import UNKNOWN

RELEASE = "kubernetes:helm.sh/v3:Release"
UNDER_WAY = "status in (pending-install,pending-upgrade,pending-rollback)"
TIMEOUT = 20  # seconds for an answer of a cluster
Resource = dict[str, Any]


class Releases:
    """Those of a stack, each found by its resource as Pulumi tells of it."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._clusters: dict[str, Any] = {}

    def forget(self, resource: Resource, *, known: bool) -> str:
        """Let Helm forget a release's operations that are under way, and unless the state knows it the whole release.

        What was done, or why nothing could be; empty when nothing had to be.
        """
        if resource["provider"].endswith(UNKNOWN):
            return ""  # its cluster is not made yet
        # a second of imports: only for stacks that have releases
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        namespace, name = resource["inputs"]["namespace"], resource["inputs"]["name"]
        selector = ",".join([f"owner=helm,name={name}", *([UNDER_WAY] if known else [])])
        try:
            secrets = self._cluster(resource["provider"])
            listed = secrets.list_namespaced_secret(namespace, label_selector=selector, _request_timeout=TIMEOUT)
            for revision in listed.items:
                secrets.delete_namespaced_secret(revision.metadata.name, namespace, _request_timeout=TIMEOUT)
        except (ApiException, HTTPError) as problem:
            return f"{name}: its cluster could not be asked for the release: {problem}"
        gone = [f"{revision.metadata.name} ({revision.metadata.labels['status']})" for revision in listed.items]
        return f"{name}: Helm has forgotten {', '.join(gone)}; what is installed stays" if gone else ""

    def _cluster(self, provider: str) -> Any:
        """The API of the cluster that a provider of the state leads to."""
        from kubernetes import client, config

        if provider not in self._clusters:
            export = json.loads(pulumi("stack", "export", "--show-secrets", stack=self._stack))
            resources = export["deployment"]["resources"]
            inputs = next(one["inputs"] for one in resources if f"{one['urn']}::{one.get('id')}" == provider)
            kubeconfig = yaml.safe_load(json.loads(inputs["kubeconfig"]["plaintext"]))
            make: Any = config.new_client_from_config_dict
            self._clusters[provider] = client.CoreV1Api(make(kubeconfig))
        return self._clusters[provider]
