//go:build tools

// Package tools names what this module builds: Pulumi's engine and command line.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
