//go:build tools

// Package providers pins the Terraform providers that stand behind the program's Pulumi providers.
package providers

import (
	_ "github.com/hashicorp/terraform-provider-tls"
	_ "github.com/terraform-provider-openstack/terraform-provider-openstack/v3"
)
