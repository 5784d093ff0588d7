"""What the images of sign-on run, built from Go modules into `.tools/kubernetes`: the proxies, the ingress controller,
cert-manager; dex and Pebble, which are the sandbox's identity providers and its authority for certificates."""

from toolchain import golang, nodes
from toolchain.golang import Module
from toolchain.versions import VERSIONS

VERSION_OF: dict[str, str] = VERSIONS["sign_on"]

PROXY_PACKAGE = "github.com/oauth2-proxy/oauth2-proxy/v7"
PROXY = Module(
    "kubernetes/oauth2-proxy",
    (PROXY_PACKAGE,),
    "1 minute on 2 cores",
    ((PROXY_PACKAGE, f"{PROXY_PACKAGE}/pkg/version.VERSION", f"v{VERSION_OF['oauth2_proxy']}"),),
    program="oauth2-proxy",
)
DEX = Module("kubernetes/dex", ("gaia/toolchain/kubernetes/dex",), "half a minute on 2 cores", ())
TRAEFIK_MODULE = "github.com/traefik/traefik/v3"
TRAEFIK_PACKAGE = f"{TRAEFIK_MODULE}/cmd/traefik"
TRAEFIK = Module(
    "kubernetes/traefik",
    (TRAEFIK_PACKAGE,),
    "10 minutes on 2 cores, and 3 GB of memory",
    ((TRAEFIK_PACKAGE, f"{TRAEFIK_MODULE}/pkg/version.Version", VERSION_OF["traefik"]),),
)
CERT_MANAGER_PACKAGE = "gaia/toolchain/kubernetes/cert-manager"
CERT_MANAGER = Module(
    "kubernetes/cert-manager",
    (CERT_MANAGER_PACKAGE,),
    "3 minutes on 2 cores",
    (
        (
            CERT_MANAGER_PACKAGE,
            "github.com/cert-manager/cert-manager/pkg/util.AppVersion",
            f"v{VERSION_OF['cert_manager']}",
        ),
    ),
)
PEBBLE = Module("kubernetes/pebble", ("github.com/letsencrypt/pebble/v2/cmd/pebble",), "20 seconds on 2 cores", ())


def provide() -> None:
    """Build what is missing or out of date. Raises shell.Problem."""
    for module in (PROXY, DEX, TRAEFIK, CERT_MANAGER, PEBBLE):
        golang.provide(module, nodes.PROGRAMS)
