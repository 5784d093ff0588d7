module gaia/toolchain/kubernetes/headlamp

go 1.26.0

require github.com/kubernetes-sigs/headlamp v0.44.0
