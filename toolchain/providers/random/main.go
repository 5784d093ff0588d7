// pulumi-resource-random: the real Terraform provider behind Pulumi's bridge.
package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"gaia/toolchain/providers/mapping"
)

// version is that of the Python SDK this provider stands behind; the build sets it from versions.toml.
var version string

// resources: Terraform name -> Pulumi type, as in the SDK.
var resources = map[string]tokens.Type{
	"random_bytes":    "random:index/randomBytes:RandomBytes",
	"random_id":       "random:index/randomId:RandomId",
	"random_integer":  "random:index/randomInteger:RandomInteger",
	"random_password": "random:index/randomPassword:RandomPassword",
	"random_pet":      "random:index/randomPet:RandomPet",
	"random_shuffle":  "random:index/randomShuffle:RandomShuffle",
	"random_string":   "random:index/randomString:RandomString",
	"random_uuid":     "random:index/randomUuid:RandomUuid",
	"random_uuid4":    "random:index/randomUuid4:RandomUuid4",
	"random_uuid7":    "random:index/randomUuid7:RandomUuid7",
}

func provider() info.Provider {
	p := info.Provider{
		P:            pf.ShimProvider(shim.New()),
		Name:         "random",
		Version:      version,
		MetadataInfo: info.NewProviderMetadata([]byte("{}")),
		Resources:    map[string]*info.Resource{},
	}
	for name, token := range resources {
		p.Resources[name] = &info.Resource{Tok: token}
	}
	return p
}

func main() {
	if mapping.Asked() {
		mapping.Print(provider())
		return
	}
	pf.Main(context.Background(), "random", provider(),
		pf.ProviderMetadata{PackageSchema: []byte(`{"name":"random"}`)})
}
