module gaia/toolchain/language

go 1.25

require (
	github.com/pulumi/pulumi/sdk/python/cmd/pulumi-language-python/v3 v3.0.0-20250508095305-a4bdc94d01aa
	github.com/pulumi/pulumi/pkg/v3 v3.169.0
	github.com/pulumi/pulumi/sdk/v3 v3.169.0
)

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e
