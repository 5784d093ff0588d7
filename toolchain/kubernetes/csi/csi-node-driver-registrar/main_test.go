package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const name, endpoint = "example.csi.org", "/var/lib/kubelet/plugins/example/csi.sock"

type identity struct {
	csi.UnimplementedIdentityServer
}

func (identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: name}, nil
}

// begin a registration in a folder of its own: the kubelet's client, and how the registration ended.
func begin(t *testing.T) (registration.RegistrationClient, <-chan error) {
	t.Helper()
	folder := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(folder, "csi.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, identity{})
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	own := filepath.Join(folder, name+"-reg.sock")
	if err := os.WriteFile(own, nil, 0o600); err != nil { // as if one before had been killed
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- register(ctx, filepath.Join(folder, "csi.sock"), endpoint, folder) }()
	for !isSocket(own) && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	connection, err := grpc.NewClient("unix://"+own, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return registration.NewRegistrationClient(connection), ended
}

func isSocket(path string) bool {
	found, err := os.Stat(path)
	return err == nil && found.Mode().Type() == os.ModeSocket
}

func TestTheKubeletLearnsTheDriversNameAndSocket(t *testing.T) {
	kubelet, _ := begin(t)
	info, err := kubelet.GetInfo(context.Background(), &registration.InfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if info.Type != "CSIPlugin" || info.Name != name || info.Endpoint != endpoint {
		t.Errorf("it was told %v", info)
	}
}

func TestARefusalEndsItWithTheKubeletsReason(t *testing.T) {
	kubelet, ended := begin(t)
	status := &registration.RegistrationStatus{Error: "no such socket"}
	if _, err := kubelet.NotifyRegistrationStatus(context.Background(), status); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "refuses "+name+": no such socket") {
		t.Errorf("it ended with %v", err)
	}
}

func TestADriverThatNeverAnswersIsNamed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	socket := filepath.Join(t.TempDir(), "csi.sock")
	if err := register(ctx, socket, endpoint, t.TempDir()); err == nil || !strings.Contains(err.Error(), socket) {
		t.Errorf("it ended with %v", err)
	}
}
