// pulumi-resource-kubernetes: the real provider, from its own module.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is that of the Python SDK this provider stands behind; the build sets it from versions.toml.
var version string

// schema says which properties are inputs: imports need it. The file lies in the provider's module, whose own main
// package does not build from there; the build lays it here (Module.embedded of toolchain/golang.py).
//
//go:embed schema.json
var schema []byte

func main() {
	provider.Serve("kubernetes", version, schema, []byte("{}")) // no mapping from Terraform's names: nothing converts
}
