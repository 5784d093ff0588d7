"""The cloud's own certificate authority, and the certificate of its APIs, as a private cloud has them."""

import shutil

from sandbox.layout import API, Layout
from sandbox.processes import run

DAYS = 3650
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make(layout: Layout) -> None:
    """Make both, unless they are there; they are there either wholly or not at all."""
    if layout.tls.exists():
        return
    new = layout.tls.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    authority = ["-keyout", new / "ca.key", "-out", new / "ca.pem", "-days", DAYS, "-subj", "/O=Sandbox/CN=Sandbox CA"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    run(["openssl", "req", "-x509", *KEY, *authority, *usage])
    request = ["-keyout", new / "api.key", "-out", new / "api.csr", "-subj", f"/O=Sandbox/CN={API}"]
    run(["openssl", "req", *KEY, *request, "-addext", f"subjectAltName=IP:{API}"])
    signed = ["-CA", new / "ca.pem", "-CAkey", new / "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
    run(["openssl", "x509", "-req", "-in", new / "api.csr", "-out", new / "api.pem", "-days", DAYS, *signed])
    new.rename(layout.tls)
