"""Services of a stack's cluster, reached through its API: nothing of the cluster has to be open to the operator."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.kubernetes.access import connect
from ops.notebook import Notebook


@contextmanager
def proxied(found: dict[str, Any]) -> Iterator[Notebook]:
    """The notebook server by the stack's outputs. The certificates lie in files that the client removes at its end."""
    with connect(found["kubeconfig"]) as client:
        known = client.configuration
        tls = ssl.create_default_context(cafile=known.ssl_ca_cert)
        tls.load_cert_chain(known.cert_file, known.key_file)
        name, namespace = found["notebook_service"].split(".")
        yield Notebook(f"{known.host}/api/v1/namespaces/{namespace}/services/http:{name}:http/proxy", tls)
