// pulumi-resource-tls: the real Terraform provider behind Pulumi's bridge.
package main

import (
	"context"

	"github.com/hashicorp/terraform-provider-tls/shim"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"gaia/toolchain/providers/mapping"
)

// version is that of the Python SDK this provider stands behind; the build sets it from versions.toml.
var version string

// resources: Terraform name -> Pulumi type, as in the SDK.
var resources = map[string]tokens.Type{
	"tls_cert_request":        "tls:index/certRequest:CertRequest",
	"tls_locally_signed_cert": "tls:index/locallySignedCert:LocallySignedCert",
	"tls_private_key":         "tls:index/privateKey:PrivateKey",
	"tls_self_signed_cert":    "tls:index/selfSignedCert:SelfSignedCert",
}

// dataSources: Terraform name -> Pulumi function, as in the SDK.
var dataSources = map[string]tokens.ModuleMember{
	"tls_certificate": "tls:index/getCertificate:getCertificate",
	"tls_public_key":  "tls:index/getPublicKey:getPublicKey",
}

func provider() info.Provider {
	p := info.Provider{
		P:            pf.ShimProvider(shim.New()),
		Name:         "tls",
		Version:      version,
		MetadataInfo: info.NewProviderMetadata([]byte("{}")),
		Resources:    map[string]*info.Resource{},
		DataSources:  map[string]*info.DataSource{},
	}
	for name, token := range resources {
		p.Resources[name] = &info.Resource{Tok: token}
	}
	for name, token := range dataSources {
		p.DataSources[name] = &info.DataSource{Tok: token}
	}
	return p
}

func main() {
	if mapping.Asked() {
		mapping.Print(provider())
		return
	}
	pf.Main(context.Background(), "tls", provider(),
		pf.ProviderMetadata{PackageSchema: []byte(`{"name":"tls"}`)})
}
