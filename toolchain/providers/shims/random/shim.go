// Package shim opens the random provider's internal package: its module path lies below that of the provider,
// which is what Go's rule on internal packages asks for.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// New returns the real Terraform provider "random".
func New() provider.Provider { return random.New() }
