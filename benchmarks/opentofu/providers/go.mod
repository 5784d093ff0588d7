module gaia/benchmarks/opentofu/providers

go 1.25.11

require (
	github.com/hashicorp/terraform-provider-tls v1.2.1-0.20260819085117-d044ca7c6f52
	github.com/terraform-provider-openstack/terraform-provider-openstack/v3 v3.4.0
)
