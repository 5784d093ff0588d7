package main

import "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"

// fields are the properties of resources whose name in the SDK is not the one that the bridge derives from
// Terraform's.
var fields = map[string]map[string]*info.Schema{
	"openstack_networking_subnet_v2":   {"allocation_pool": {Name: "allocationPools"}},
	"openstack_orchestration_stack_v1": {"outputs": {Name: "StackOutputs"}},
}
