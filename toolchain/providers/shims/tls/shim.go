// Package shim opens the tls provider's internal package: its module path lies below that of the provider,
// which is what Go's rule on internal packages asks for.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	tls "github.com/hashicorp/terraform-provider-tls/internal/provider"
)

// New returns the real Terraform provider "tls".
func New() provider.Provider { return tls.New() }
