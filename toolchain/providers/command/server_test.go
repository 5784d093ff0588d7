package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// server is an SSH server on loopback that runs commands of the test's making and forwards connections.
type server struct {
	t        *testing.T
	listener net.Listener
	signer   ssh.Signer
	refuse   bool // environment variables

	mutex     sync.Mutex
	commands  []string
	stdins    []string
	variables map[string]string
	dials     int
	forwards  int
	ended     chan string // commands whose session was closed or signalled
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, string(pem.EncodeToMemory(block))
}

func startServer(t *testing.T, allowed ssh.PublicKey) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, _ := newKey(t)
	s := &server{
		t: t, listener: listener, signer: host,
		variables: map[string]string{}, ended: make(chan string, 10),
	}
	t.Cleanup(func() { listener.Close() })
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) == string(allowed.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("unknown key")
		},
	}
	config.AddHostKey(host)
	go s.accept(config)
	return s
}

func (s *server) port() float64 { return float64(s.listener.Addr().(*net.TCPAddr).Port) }

func (s *server) hostKey() string { return string(ssh.MarshalAuthorizedKey(s.signer.PublicKey())) }

func (s *server) accept(config *ssh.ServerConfig) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.count(&s.dials)
		go s.serve(conn, config)
	}
}

func (s *server) count(counter *int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	*counter++
}

func (s *server) serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		switch channel.ChannelType() {
		case "session":
			go s.session(channel)
		case "direct-tcpip":
			go s.forward(channel)
		default:
			channel.Reject(ssh.UnknownChannelType, "")
		}
	}
}

func (s *server) forward(opened ssh.NewChannel) {
	var target struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	ssh.Unmarshal(opened.ExtraData(), &target)
	conn, err := net.Dial("tcp", net.JoinHostPort(target.Host, fmt.Sprint(target.Port)))
	if err != nil {
		opened.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	s.count(&s.forwards)
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		io.Copy(channel, conn)
		channel.Close()
	}()
	io.Copy(conn, channel)
	conn.Close()
}

func (s *server) session(opened ssh.NewChannel) {
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	command := ""
	for request := range requests {
		var text struct{ A, B string }
		switch request.Type {
		case "env":
			ssh.Unmarshal(request.Payload, &text)
			s.mutex.Lock()
			if !s.refuse {
				s.variables[text.A] = text.B
			}
			s.mutex.Unlock()
			request.Reply(!s.refuse, nil)
		case "exec":
			var exec struct{ Command string }
			ssh.Unmarshal(request.Payload, &exec)
			command = exec.Command
			request.Reply(true, nil)
			go s.run(channel, command)
		default:
			request.Reply(false, nil)
		}
	}
	s.ended <- command
}

// run knows four commands: `fail`, `sleep`, `lines`, and all else, which says its own name.
func (s *server) run(channel ssh.Channel, command string) {
	if command == "sleep" {
		return // until the client goes
	}
	stdin, _ := io.ReadAll(channel)
	s.mutex.Lock()
	s.commands, s.stdins = append(s.commands, command), append(s.stdins, string(stdin))
	s.mutex.Unlock()
	status := byte(0)
	switch command {
	case "fail":
		io.WriteString(channel.Stderr(), strings.Repeat("x", 2*stderrShown)+"the unit is broken\n")
		status = 3
	case "lines":
		io.WriteString(channel, "one\ntwo\nthree")
		io.WriteString(channel.Stderr(), "complaint\n")
	default:
		io.WriteString(channel, "ran "+command+"\n")
	}
	channel.SendRequest("exit-status", false, []byte{0, 0, 0, status})
	channel.Close()
}
