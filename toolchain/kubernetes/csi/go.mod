module gaia/toolchain/kubernetes/csi

go 1.26.0

require (
	github.com/container-storage-interface/spec v1.12.0
	github.com/kubernetes-csi/external-provisioner/v5 v5.3.0
	github.com/kubernetes-csi/external-resizer v1.14.0
	github.com/kubernetes-csi/external-snapshotter/client/v8 v8.4.0
	github.com/kubernetes-csi/external-snapshotter/v8 v8.4.0
	google.golang.org/grpc v1.75.1
	k8s.io/kubelet v0.34.0
	sigs.k8s.io/gateway-api v1.4.0
)

require (
	golang.org/x/net v0.43.0 // indirect
	golang.org/x/sys v0.35.0 // indirect
	golang.org/x/text v0.28.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20250826171959-ef028d996bc1 // indirect
	google.golang.org/protobuf v1.36.8 // indirect
)
