"""`python -m benchmarks.build`: OpenTofu and the Terraform providers, built from pinned Go modules into `.tools/bench`.

They are the baseline: the providers are the very ones that stand behind the program's Pulumi providers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain import golang, shell

HERE = Path(__file__).resolve().parent
BENCH = shell.TOOLS / "bench"
TOFU = BENCH / "tofu"
PROVIDERS = BENCH / "providers"  # OpenTofu's dev_overrides name this folder


@dataclass(frozen=True)
class Programs:
    """Main packages of a folder with a go.mod, and the folder that they are built into."""

    module: Path
    packages: tuple[str, ...]
    target: Path
    results: tuple[Path, ...]
    takes: str

    def state(self) -> str:
        """Changes when anything does that the programs are made of."""
        files = [self.module / name for name in ("go.mod", "go.sum")]
        return shell.digest(golang.go_version(), repr(self.packages), files=files)

    def build(self) -> None:
        """Build what is not built yet; one compiler at a time, behind everything else on the machine."""
        stamp, name = f"bench-{self.module.name}", f"benchmarks {self.module.name}"
        if shell.done(stamp, self.state(), *self.results):
            return
        shell.say(f"building {name} (first time about {self.takes})")
        self.target.mkdir(parents=True, exist_ok=True)
        words = ["nice", "-n", "19", golang.go_command(), "build", "-p", "1", "-ldflags=-s -w", "-o", f"{self.target}/"]
        shell.run(f"build {name}", [*words, *self.packages], cwd=self.module, env=golang.ENVIRONMENT)
        shell.finish(stamp, self.state())


CLI = Programs(
    HERE / "opentofu" / "cli", ("github.com/opentofu/opentofu/cmd/tofu",), BENCH, (TOFU,), "8 minutes on 2 cores"
)
TERRAFORM_PROVIDERS = Programs(
    HERE / "opentofu" / "providers",
    (
        "github.com/hashicorp/terraform-provider-tls",
        "github.com/terraform-provider-openstack/terraform-provider-openstack/v3",
    ),
    PROVIDERS,
    (PROVIDERS / "terraform-provider-tls", PROVIDERS / "terraform-provider-openstack"),
    "2 minutes on 2 cores",
)


def main() -> int:
    """Build both; the exit status."""

    def build() -> None:
        TERRAFORM_PROVIDERS.build()
        CLI.build()

    return shell.told(build)


if __name__ == "__main__":
    sys.exit(main())
