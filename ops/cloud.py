"""The clouds of clouds.yaml, with errors that say what to do."""

from __future__ import annotations

import keystoneauth1.exceptions
import openstack.connection
import openstack.exceptions


class OpsError(Exception):
    """Something an operator has to mend; the text says what and where."""


def connect(cloud: str) -> openstack.connection.Connection:
    """A connection to a cloud of clouds.yaml, with its credentials checked by a real request.

    Raises OpsError when there is no such entry, or the credentials are refused.
    """
    try:
        connection = openstack.connect(cloud=cloud)
        connection.authorize()
    except openstack.exceptions.ConfigException as problem:
        raise OpsError(f"clouds.yaml has no usable entry {cloud!r}: {problem}") from None
    except (openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException) as problem:
        raise OpsError(f"the cloud {cloud!r} refuses the credentials of clouds.yaml: {problem}") from None
    return connection
