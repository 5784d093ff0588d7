// pulumi-resource-openstack: the real Terraform provider behind Pulumi's bridge.
package main

import (
	"strings"
	"unicode"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-provider-openstack/terraform-provider-openstack/v3/openstack"

	"gaia/toolchain/providers/mapping"
)

// version is that of the Python SDK this provider stands behind; the build sets it from versions.toml.
var version string

// token turns "compute.Instance" into "openstack:compute/instance:Instance".
func token(name string) string {
	module, member, _ := strings.Cut(name, ".")
	file := string(unicode.ToLower(rune(member[0]))) + member[1:]
	return "openstack:" + module + "/" + file + ":" + member
}

func provider() info.Provider {
	p := info.Provider{
		P:            shimv2.NewProvider(openstack.Provider()),
		Name:         "openstack",
		Version:      version,
		MetadataInfo: info.NewProviderMetadata([]byte("{}")),
		Resources:    map[string]*info.Resource{},
		DataSources:  map[string]*info.DataSource{},
	}
	for name, member := range resourceNames {
		p.Resources[name] = &info.Resource{Tok: tokens.Type(token(member)), Fields: fields[name]}
	}
	for name, member := range functionNames {
		p.DataSources[name] = &info.DataSource{Tok: tokens.ModuleMember(token(member))}
	}
	return p
}

func main() {
	if mapping.Asked() {
		mapping.Print(provider())
		return
	}
	tfbridge.Main("openstack", version, provider(), []byte("{}"))
}
