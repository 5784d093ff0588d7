// csi-node-driver-registrar tells a kubelet of a CSI driver's socket. It is a small stand-in for the Kubernetes project's
// program of this name, which no module proxy serves: the same protocol, and those of its flags that charts give.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// pause lies between two attempts to reach a driver that does not answer yet.
const pause = time.Second

// versionOfCSI is what the original says for every driver that speaks CSI 1.
const versionOfCSI = "1.0.0"

type driver struct {
	registration.UnimplementedRegistrationServer
	name     string
	endpoint string        // its socket, as the kubelet sees it
	refused  chan<- string // why the kubelet does not take it
}

func (d driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              d.name,
		Endpoint:          d.endpoint,
		SupportedVersions: []string{versionOfCSI},
	}, nil
}

func (d driver) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if status.PluginRegistered {
		log.Printf("the kubelet has registered %s", d.name)
	} else {
		d.refused <- status.Error
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// ask a driver for its name, until it answers or the context ends.
func ask(ctx context.Context, socket string) (string, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	for {
		info, err := csi.NewIdentityClient(connection).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
		if err == nil && info.GetName() != "" {
			return info.GetName(), nil
		}
		log.Printf("%s gives no name yet: %v", socket, err)
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s gave no name: %w", socket, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// register a driver for as long as the context lasts; an error if the kubelet refuses it.
func register(ctx context.Context, socket, endpoint, folder string) error {
	name, err := ask(ctx, socket)
	if err != nil {
		return err
	}
	own := filepath.Join(folder, name+"-reg.sock")
	if err := os.Remove(own); err != nil && !os.IsNotExist(err) { // left by one that was killed
		return err
	}
	listener, err := net.Listen("unix", own)
	if err != nil {
		return err
	}
	refused, ended := make(chan string, 1), make(chan error, 1)
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, driver{name: name, endpoint: endpoint, refused: refused})
	go func() { ended <- server.Serve(listener) }()
	defer server.GracefulStop() // removes the socket; what the kubelet has asked is still answered
	select {
	case <-ctx.Done():
		return nil
	case why := <-refused:
		return fmt.Errorf("the kubelet refuses %s: %s", name, why)
	case err := <-ended:
		return err
	}
}

func main() {
	socket := flag.String("csi-address", "/run/csi/socket", "the driver's socket, as this program sees it")
	endpoint := flag.String("kubelet-registration-path", "", "the driver's socket, as the kubelet sees it")
	folder := flag.String("plugin-registration-path", "/registration", "the folder that the kubelet watches")
	flag.Int("v", 0, "how much is logged: here always the same")
	flag.Parse()
	if *endpoint == "" {
		log.Fatal("--kubelet-registration-path is missing: the driver's socket, as the kubelet sees it")
	}
	// A signal ends it at once; the next one replaces the socket that is left.
	log.Fatal(register(context.Background(), *socket, *endpoint, *folder))
}
