"""The state backend: a bucket on an S3-compatible store (Swift, Ceph RGW), proven to work before it is said to."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

import boto3
import botocore.exceptions

from ops.cloud import OpsError, connect
from ops.s3 import s3_config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

T = TypeVar("T")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def ec2_credential(cloud: str) -> tuple[str, str] | None:
    """Access and secret key of the cloud's user for its project: the one that is there, or a new one.

    None where Keystone refuses to tell and to make any: application credentials are not allowed to. Raises OpsError.
    """
    connection = connect(cloud)
    path = f"/users/{connection.current_user_id}/credentials/OS-EC2"
    project = connection.current_project_id
    answer = connection.identity.get(path)
    found = [c for c in answer.json()["credentials"] if c["tenant_id"] == project] if answer.ok else []
    if not found and answer.status_code != HTTPStatus.FORBIDDEN:
        answer = connection.identity.post(path, json={"tenant_id": project})
        found = [answer.json()["credential"]] if answer.ok else []
    if found:
        return str(found[0]["access"]), str(found[0]["secret"])
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return None
    raise OpsError(f"{cloud}: no EC2 credential could be made: {answer.status_code} {answer.text[:200]}")


def given_credential(lines: str) -> tuple[str, str] | None:
    """The access and secret key in KEY=VALUE lines, as `write_environment` writes them; None if one is missing."""
    words = shlex.split(lines, comments=True)
    values = dict(word.removeprefix("export ").split("=", 1) for word in words if "=" in word)
    access, secret = (values.get(key, "") for key in KEYS)
    return (access, secret) if access and secret else None


def credential(cloud: str, file: Path | None) -> tuple[str, str, str]:
    """Access key, secret key, and where they are from: the file if one is named, else Keystone, else the environment.

    Raises OpsError that says what is needed when there is none.
    """
    if file:
        if found := given_credential(file.read_text(encoding="utf-8")):
            return *found, str(file)
        raise OpsError(f"{file} does not have the lines {KEYS[0]}=... and {KEYS[1]}=...")
    if found := ec2_credential(cloud):
        return *found, "Keystone"
    access, secret = (os.environ.get(key, "") for key in KEYS)
    if access and secret:
        return access, secret, "the environment"
    raise OpsError(
        f"Keystone gives this entry of clouds.yaml ({cloud}) no EC2 credential: an application credential may neither "
        "see nor make one. With an entry that has your user and password: openstack --os-cloud ENTRY ec2 credentials "
        f"create. Then say this again with {KEYS[0]} and {KEYS[1]} in the environment, or with --access-key-file and a "
        f"file (mode 600) with {KEYS[0]}=... and {KEYS[1]}=...; or give --cloud the entry with user and password"
    )


def endpoint(cloud: str) -> str:
    """The S3 endpoint of the cloud: scheme, host and port of its object store."""
    url = connect(cloud).object_store.get_endpoint()
    if not url:
        raise OpsError(f"the catalogue of {cloud!r} has no object store: use --endpoint, or a file:// backend")
    parts = urlsplit(str(url))
    return f"{parts.scheme}://{parts.netloc}"


def client(url: str, access: str, secret: str, region: str) -> S3Client:
    """An S3 client as Pulumi uses one, for the cloud's own store: path style."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name=region,
        config=s3_config("path"),
    )


def ensure_bucket(s3: S3Client, bucket: str) -> list[str]:
    """Make the bucket if it is not there, switch versioning on, and check what Pulumi does with it.

    Returns what was found, a line each. Raises OpsError naming the operation that does not work: `pulumi preview`
    only reads, so a store that cannot COPY or DELETE would show only in the middle of an `up`.
    """
    done = []
    try:
        s3.head_bucket(Bucket=bucket)
        done.append(f"bucket {bucket} is there")
    except botocore.exceptions.ClientError:
        _step("CREATE BUCKET", bucket, lambda: s3.create_bucket(Bucket=bucket))
        done.append(f"bucket {bucket} made")
    try:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        done.append("versioning is on")
    except botocore.exceptions.ClientError as problem:
        done.append(f"versioning cannot be switched on here ({problem.response['Error'].get('Code')}): no old states")
    _check(s3, bucket)
    done.append("PUT, GET, LIST, COPY and DELETE work")
    return done


def _check(s3: S3Client, bucket: str) -> None:
    name = f".check-{secrets.token_hex(4)}"
    _step("PUT", bucket, lambda: s3.put_object(Bucket=bucket, Key=name, Body=b"check"))
    source: CopySourceTypeDef = {"Bucket": bucket, "Key": name}
    _step("COPY", bucket, lambda: s3.copy_object(Bucket=bucket, Key=name + "-copy", CopySource=source))
    body = _step("GET", bucket, lambda: s3.get_object(Bucket=bucket, Key=name + "-copy")["Body"].read())
    listed = _step("LIST", bucket, lambda: s3.list_objects_v2(Bucket=bucket, Prefix=name).get("KeyCount", 0))
    if body != b"check" or listed != 2:
        raise OpsError(f"{bucket}: a copied object is not what was put, or is not listed ({listed} of 2)")
    for key in (name, name + "-copy"):
        _step("DELETE", bucket, partial(s3.delete_object, Bucket=bucket, Key=key))
    if s3.list_objects_v2(Bucket=bucket, Prefix=name).get("KeyCount", 0):
        raise OpsError(f"{bucket}: DELETE was answered, but the objects are still there")


def _step(verb: str, bucket: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as problem:
        raise OpsError(f"{verb} does not work on bucket {bucket}: {problem}") from None


def backend_url(bucket: str, url: str, region: str) -> str:
    """The backend for `pulumi login` or PULUMI_BACKEND_URL."""
    return f"s3://{bucket}?endpoint={quote(url, safe='')}&s3ForcePathStyle=true&region={region}"


def write_environment(path: Path, values: dict[str, str]) -> None:
    """KEY=VALUE lines that a shell can read, readable by the owner only from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text("".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items()), encoding="utf-8")
    fresh.replace(path)


def state(
    cloud: str, bucket: str, environment: Path, url: str | None, region: str, key_file: Path | None = None
) -> list[str]:
    """Everything from nothing to a state backend that works; the environment for it goes into a file (mode 600)."""
    access, secret, source = credential(cloud, key_file)
    at = url or endpoint(cloud)
    done = ensure_bucket(client(at, access, secret, region), bucket)
    values = {
        "PULUMI_BACKEND_URL": backend_url(bucket, at, region),
        **dict(zip(KEYS, (access, secret), strict=True)),
        "AWS_REGION": region,
        # newer checksums than S3-compatible stores know; without this Pulumi warns at each request
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    write_environment(environment, values)
    return [f"EC2 credential {access[:6]}... of {source}", *done, f"environment written to {environment} (mode 600)"]
