//go:build tools

// Package cli pins OpenTofu, the baseline that the benchmarks compare with.
package cli

import _ "github.com/opentofu/opentofu/cmd/tofu"
