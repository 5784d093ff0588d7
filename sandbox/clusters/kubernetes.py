"""What the cluster's own API says of its nodes, asked with Magnum's certificate."""

from typing import Any

import requests
from magnum.conductor.k8s_api import KubernetesAPI

SECONDS = 5  # that an answer may take


class Kubernetes(KubernetesAPI):  # type: ignore[misc]
    """Requests to the cluster's API; `requests.RequestException` when it does not answer or refuses."""

    def _call(self, method: str, path: str) -> Any:
        answer = requests.request(
            method,
            f"{self.cluster.api_address}{path}",
            verify=self.ca_file.name,
            cert=(self.cert_file.name, self.key_file.name),
            timeout=SECONDS,
        )
        answer.raise_for_status()
        return answer.json()

    def version(self) -> str:
        return str(self._call("GET", "/version")["gitVersion"])

    def nodes(self) -> dict[str, bool]:
        """The nodes by name, and whether each is Ready."""
        return {
            node["metadata"]["name"]: any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in node["status"].get("conditions", ())
            )
            for node in self._call("GET", "/api/v1/nodes")["items"]
        }

    def forget(self, name: str) -> None:
        """Delete a node whose server is gone, as the cloud's controller manager does."""
        self._call("DELETE", f"/api/v1/nodes/{name}")
