package main

import (
	"crypto/subtle"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	defaultUser           = "root"
	defaultPort           = 22
	defaultDialErrorLimit = 10
	defaultPerDialTimeout = 15 // seconds
)

// endpoint says how to reach one SSH server.
type endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	HostKey            *string  `pulumi:"hostKey,optional"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
}

// ProxyConnection is the bastion that a connection goes through.
type ProxyConnection struct{ endpoint }

// Connection is the host that commands run on.
type Connection struct {
	endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// Annotate gives the type its place in the schema and its defaults.
func (c *Connection) Annotate(a infer.Annotator) {
	a.SetToken("remote", "Connection")
	c.endpoint.defaults(a)
}

// Annotate gives the type its place in the schema and its defaults.
func (c *ProxyConnection) Annotate(a infer.Annotator) {
	a.SetToken("remote", "ProxyConnection")
	c.endpoint.defaults(a)
}

func (e *endpoint) defaults(a infer.Annotator) {
	a.SetDefault(&e.User, defaultUser)
	a.SetDefault(&e.Port, float64(defaultPort))
	a.SetDefault(&e.DialErrorLimit, defaultDialErrorLimit)
	a.SetDefault(&e.PerDialTimeout, defaultPerDialTimeout)
}

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

func (e endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(or(e.Port, defaultPort))))
}

// timeout bounds one attempt to connect; 0 is no bound.
func (e endpoint) timeout() time.Duration {
	return time.Duration(or(e.PerDialTimeout, defaultPerDialTimeout)) * time.Second
}

// hostKeyMismatch is an error that no second attempt can heal.
type hostKeyMismatch struct {
	address   string
	want, got ssh.PublicKey
}

func (m *hostKeyMismatch) Error() string {
	return fmt.Sprintf("%s shows the host key %s %s, but %s %s is expected: either the host was rebuilt, "+
		"or this is another host; nothing was sent to it", m.address,
		m.got.Type(), ssh.FingerprintSHA256(m.got), m.want.Type(), ssh.FingerprintSHA256(m.want))
}

// client makes the settings of x/crypto/ssh; release frees what they hold, when connecting is over.
func (e endpoint) client() (config *ssh.ClientConfig, release func(), err error) {
	config = &ssh.ClientConfig{User: or(e.User, defaultUser), HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if e.HostKey != nil {
		if err := e.pin(config); err != nil {
			return nil, nil, err
		}
	}
	config.Auth, release, err = e.authentication()
	return config, release, err
}

func (e endpoint) pin(config *ssh.ClientConfig) error {
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
	if err != nil {
		return fmt.Errorf("connection.hostKey of %s is not a public key like `ssh-ed25519 AAAA...`: %w", e.Host, err)
	}
	address := e.address()
	config.HostKeyCallback = func(_ string, _ net.Addr, got ssh.PublicKey) error {
		if subtle.ConstantTimeCompare(got.Marshal(), want.Marshal()) == 1 {
			return nil
		}
		return &hostKeyMismatch{address, want, got}
	}
	// The server has keys of several types: ask for that of the pinned one first. Others stay allowed, so that a
	// server without this type is reported as a mismatch and not as a failed negotiation.
	config.HostKeyAlgorithms = algorithms(want.Type())
	for _, name := range ssh.SupportedAlgorithms().HostKeys {
		if !slices.Contains(config.HostKeyAlgorithms, name) {
			config.HostKeyAlgorithms = append(config.HostKeyAlgorithms, name)
		}
	}
	return nil
}

func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// authentication offers a private key, else a password, and the keys of an SSH agent.
func (e endpoint) authentication() (methods []ssh.AuthMethod, release func(), err error) {
	release = func() {}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if e.Password != nil {
		methods = append(methods, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	if socket := or(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK")); socket != "" {
		conn, err := net.Dial("unix", socket)
		switch {
		case err == nil:
			methods = append(methods, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
			release = func() { conn.Close() }
		case e.AgentSocketPath != nil:
			return nil, nil, fmt.Errorf("connection.agentSocketPath of %s: no SSH agent answers: %w", e.Host, err)
		}
	}
	return methods, release, nil
}

// answer gives the password to every question of keyboard-interactive login.
func (e endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	return slices.Repeat([]string{*e.Password}, len(questions)), nil
}

func (e endpoint) signer() (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if e.PrivateKeyPassword != nil {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	} else {
		signer, err = ssh.ParsePrivateKey([]byte(*e.PrivateKey))
	}
	if err != nil {
		return nil, fmt.Errorf("connection.privateKey of %s cannot be read: %w", e.Host, err)
	}
	return signer, nil
}
