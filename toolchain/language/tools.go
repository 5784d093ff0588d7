//go:build tools

// Package tools names what this module builds: Pulumi's Python language host. It is a module of its own because the
// newest host that can be had as a Go module builds only with the Pulumi SDK of its time.
package tools

import _ "github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3"
