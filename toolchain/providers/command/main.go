// pulumi-resource-command: the remote part of Pulumi's "command" provider with the schema of the official one, for
// places where that cannot be downloaded. It runs commands on hosts over SSH.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// version is that of the Python SDK this provider stands behind; the build sets it from versions.toml.
var version string

func provider() (p.Provider, error) {
	return infer.NewProviderBuilder().
		WithResources(infer.Resource(&Command{})).
		Build()
}

func main() {
	built, err := provider()
	if err == nil {
		err = p.RunProvider(context.Background(), "command", version, built)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
