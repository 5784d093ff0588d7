// Package mapping prints which Pulumi names a bridged provider knows, so that a test can compare them with
// the Python SDK: the SDK comes from the official provider, and a name missing here would be lost silently.
package mapping

import (
	"encoding/json"
	"os"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// Property is one property of a resource or function, or of a nested object.
type Property struct {
	Type   string              `json:"type"`
	Input  bool                `json:"input"` // may be set
	Secret bool                `json:"secret"`
	Object map[string]Property `json:"object,omitempty"` // properties of a nested object or of a list of them
}

// Mapping is everything a provider knows, by Pulumi token.
type Mapping struct {
	Config    map[string]Property            `json:"config"` // of the provider itself
	Resources map[string]map[string]Property `json:"resources"`
	Functions map[string]map[string]Property `json:"functions"`
	// Unmapped are the Terraform names that have no Pulumi token.
	Unmapped []string `json:"unmapped"`
}

// Asked tells whether the binary was started as `pulumi-resource-NAME mapping`.
func Asked() bool { return len(os.Args) == 2 && os.Args[1] == "mapping" }

// Print writes the provider's Mapping to standard output as JSON.
func Print(p info.Provider) {
	m := Mapping{
		Config:    properties(p.P.Schema(), p.Config),
		Resources: map[string]map[string]Property{},
		Functions: map[string]map[string]Property{},
	}
	p.P.ResourcesMap().Range(func(name string, r shim.Resource) bool {
		if res, ok := p.Resources[name]; ok {
			m.Resources[string(res.Tok)] = properties(r.Schema(), res.Fields)
		} else {
			m.Unmapped = append(m.Unmapped, "resource "+name)
		}
		return true
	})
	p.P.DataSourcesMap().Range(func(name string, r shim.Resource) bool {
		if fn, ok := p.DataSources[name]; ok {
			m.Functions[string(fn.Tok)] = properties(r.Schema(), fn.Fields)
		} else {
			m.Unmapped = append(m.Unmapped, "function "+name)
		}
		return true
	})
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(m); err != nil {
		os.Exit(1)
	}
}

func properties(schema shim.SchemaMap, fields map[string]*info.Schema) map[string]Property {
	known := map[string]Property{}
	schema.Range(func(name string, s shim.Schema) bool {
		known[tfbridge.TerraformToPulumiNameV2(name, schema, fields)] = property(s, fields[name])
		return true
	})
	return known
}

func property(s shim.Schema, field *info.Schema) Property {
	secret := s.Sensitive()
	if field != nil && field.Secret != nil {
		secret = *field.Secret
	}
	return Property{
		Type:   typeOf(s, field),
		Input:  s.Required() || s.Optional(),
		Secret: secret,
		Object: object(s.Elem(), field),
	}
}

// object returns the properties of the objects that a list, set or map holds, or that stand for it.
func object(elem any, field *info.Schema) map[string]Property {
	switch elem := elem.(type) {
	case shim.Resource:
		var fields map[string]*info.Schema
		if field != nil && field.Elem != nil {
			fields = field.Elem.Fields
		}
		return properties(elem.Schema(), fields)
	case shim.Schema:
		return object(elem.Elem(), field)
	}
	return nil
}

// typeOf names a type as the Python SDK does: bool, int, float, str, list, map, object.
func typeOf(s shim.Schema, field *info.Schema) string {
	switch s.Type() {
	case shim.TypeBool:
		return "bool"
	case shim.TypeInt:
		return "int"
	case shim.TypeFloat:
		return "float"
	case shim.TypeString:
		return "str"
	}
	elem, isSchema := s.Elem().(shim.Schema)
	_, isObject := s.Elem().(shim.Resource)
	single := s.Type() == shim.TypeMap || tfbridge.IsMaxItemsOne(s, field)
	switch {
	case single && isObject:
		return "object"
	case s.Type() == shim.TypeMap:
		return "map"
	case single && isSchema:
		return typeOf(elem, nil)
	}
	return "list"
}
