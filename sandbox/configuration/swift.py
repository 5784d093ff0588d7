"""Swift: one node with one copy, its own API and S3's."""

from pathlib import Path

from sandbox.configuration.common import KEYSTONE, Configuration, Ini, Options
from sandbox.layout import LOOPBACK, Layout, Port

STORES = {
    "object": Port.SWIFT_OBJECT,
    "container": Port.SWIFT_CONTAINER,
    "account": Port.SWIFT_ACCOUNT,
}
# authtoken stands before s3api: with s3api first, s3token's identity reaches keystoneauth without its roles
PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache authtoken s3api s3token keystoneauth bulk copy slo dlo "
    "versioned_writes symlink proxy-logging proxy-server"
)
PLAIN_FILTERS = ("catch_errors", "gatekeeper", "healthcheck", "bulk", "copy", "slo", "dlo", "symlink")


def directories(layout: Layout) -> tuple[Path, ...]:
    return (layout.data / "swift/node/d1",)


def files(c: Configuration) -> dict[str, Ini]:
    hashes: Options = dict.fromkeys(("swift_hash_path_prefix", "swift_hash_path_suffix"), c.secrets.swift_hash)
    return {
        "swift/swift.conf": {
            "swift-hash": hashes,
            "swift-constraints": {"max_header_size": 32768},
            "storage-policy:0": {"name": "Policy-0", "default": "yes"},
        },
        **{f"swift/{name}-server.conf": _store(c, name, port) for name, port in STORES.items()},
        "swift/proxy-server.conf": _proxy(c),
    }


def _server(c: Configuration, port: Port) -> Options:
    return {
        "bind_ip": LOOPBACK,
        "bind_port": int(port),
        "workers": 0,
        "user": "root",
        "swift_dir": c.layout.etc / "swift",
        # a socket that nobody serves: without a syslog Swift writes to standard error
        "log_address": c.layout.run / "no-syslog",
    }


def _store(c: Configuration, name: str, port: Port) -> Ini:
    return {
        "DEFAULT": {
            **_server(c, port),
            "devices": c.layout.data / "swift/node",
            "mount_check": False,
            "fallocate_reserve": 0,
            "disable_fallocate": True,
        },
        "pipeline:main": {"pipeline": f"{name}-server"},
        f"app:{name}-server": {"use": f"egg:swift#{name}"},
    }


def _proxy(c: Configuration) -> Ini:
    identity = c.identity()
    del identity["region_name"]
    token: Options = {
        "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
        "www_authenticate_uri": KEYSTONE,
        **identity,
        "delay_auth_decision": True,
        "include_service_catalog": False,
    }
    s3_token: Options = {
        "use": "egg:swift#s3token",
        "reseller_prefix": "AUTH_",
        "delay_auth_decision": False,
        "auth_uri": KEYSTONE,
        **identity,
    }
    filters: Ini = {
        **{f"filter:{name}": {"use": f"egg:swift#{name}"} for name in PLAIN_FILTERS},
        "filter:proxy-logging": {"use": "egg:swift#proxy_logging"},
        "filter:cache": {"paste.filter_factory": "sandbox.services.swift_cache:filter_factory"},
        "filter:authtoken": token,
        "filter:s3api": {
            "use": "egg:swift#s3api",
            "s3_acl": False,
            "location": "us-east-1",
            "dns_compliant_bucket_names": False,
        },
        "filter:s3token": s3_token,
        "filter:keystoneauth": {
            "use": "egg:swift#keystoneauth",
            "operator_roles": "admin, member, swiftoperator",
            "reseller_admin_role": "ResellerAdmin",
        },
        "filter:versioned_writes": {
            "use": "egg:swift#versioned_writes",
            "allow_object_versioning": True,
            "allow_versioned_writes": True,
        },
    }
    return {
        "DEFAULT": _server(c, Port.SWIFT),
        "pipeline:main": {"pipeline": PIPELINE},
        "app:proxy-server": {
            "use": "egg:swift#proxy",
            "allow_account_management": True,
            "account_autocreate": True,
        },
        **filters,
    }
