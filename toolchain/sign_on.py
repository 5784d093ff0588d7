"""What the images of sign-on run, built from Go modules into `.tools/kubernetes`: the proxies, the ingress controller,
and dex, which is the sandbox's identity providers."""

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


def provide() -> None:
    """Build what is missing or out of date. Raises shell.Problem."""
    for module in (PROXY, DEX, TRAEFIK):
        golang.provide(module, nodes.PROGRAMS)
