"""A cluster's API, asked by Kubernetes' own client with the kubeconfig that the cloud gave."""

from __future__ import annotations

from typing import Any

import yaml

TIMEOUT = (5, 20)  # seconds until there is a connection, and an answer


def connect(kubeconfig: str) -> Any:
    """A `kubernetes.client.ApiClient` that asks once: who is told that a cluster is dead wants to know it soon."""
    # a second of imports: only for those who ask a cluster
    from kubernetes import client, config

    make: Any = config.new_client_from_config_dict
    configuration = client.Configuration()
    configuration.retries = 0
    return make(yaml.safe_load(kubeconfig), client_configuration=configuration)
