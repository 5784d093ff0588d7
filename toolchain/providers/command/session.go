package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

const (
	stderrShown    = 4096      // bytes of a failed command's stderr in the error
	variableLength = 96 * 1024 // bytes of a variable that surely fit into one SSH packet
)

// job is one command on one host.
type job struct {
	connection  Connection
	command     string
	stdin       string
	environment map[string]string
	previous    map[string]string // outputs of the run before; nothing is said when the server refuses them
	logging     Logging
}

// run executes the job and returns what the command wrote, without the last newline.
func (j job) run(ctx context.Context) (stdout, stderr string, err error) {
	host, err := connect(ctx, j.connection)
	if err != nil {
		return "", "", err
	}
	defer host.Close()
	session, err := host.NewSession()
	if err != nil {
		return "", "", fmt.Errorf("%s opens no session: %w", j.connection.Host, err)
	}
	defer session.Close()
	j.setEnvironment(ctx, session)

	logger := p.GetLogger(ctx)
	var out, errs bytes.Buffer
	outLog := &lineWriter{enabled: j.logging.stdout(), write: logger.Info}
	errLog := &lineWriter{enabled: j.logging.stderr(), write: logger.Info}
	session.Stdout, session.Stderr = io.MultiWriter(&out, outLog), io.MultiWriter(&errs, errLog)
	session.Stdin = strings.NewReader(j.stdin)

	// Cancelled: ask the command to end, and do not wait for it.
	stop := context.AfterFunc(ctx, func() {
		session.Signal(ssh.SIGTERM)
		host.Close()
	})
	err = session.Run(j.command)
	stop()
	outLog.flush()
	errLog.flush()
	stdout, stderr = strings.TrimSuffix(out.String(), "\n"), strings.TrimSuffix(errs.String(), "\n")
	if err != nil {
		return stdout, stderr, j.failure(ctx, err, stderr)
	}
	return stdout, stderr, nil
}

// setEnvironment passes variables; servers refuse those that their AcceptEnv does not name.
func (j job) setEnvironment(ctx context.Context, session *ssh.Session) {
	for name, value := range j.previous {
		if len(value) <= variableLength {
			_ = session.Setenv(name, value)
		}
	}
	for name, value := range j.environment {
		if err := session.Setenv(name, value); err != nil {
			p.GetLogger(ctx).Warningf("%s does not accept the variable %s (AcceptEnv in its sshd_config)",
				j.connection.Host, name)
		}
	}
}

// failure names the host and the end of stderr; never the command, its stdin or keys, which may be secret.
func (j job) failure(ctx context.Context, err error, stderr string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the command on %s was interrupted: %w", j.connection.Host, context.Cause(ctx))
	}
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit) && exit.Signal() != "":
		err = fmt.Errorf("the command on %s was ended by signal %s", j.connection.Host, exit.Signal())
	case exit != nil:
		err = fmt.Errorf("the command on %s ended with status %d", j.connection.Host, exit.ExitStatus())
	default:
		err = fmt.Errorf("the connection to %s broke while the command ran: %w", j.connection.Host, err)
	}
	if stderr == "" {
		return err
	}
	if cut := len(stderr) - stderrShown; cut > 0 {
		stderr = "..." + stderr[cut:]
	}
	return fmt.Errorf("%w:\n%s", err, stderr)
}

// lineWriter hands on what is written, line by line.
type lineWriter struct {
	enabled bool
	write   func(string)
	rest    []byte
}

// Write takes part of a stream; it never fails.
func (w *lineWriter) Write(part []byte) (int, error) {
	if !w.enabled {
		return len(part), nil
	}
	w.rest = append(w.rest, part...)
	for {
		line, after, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(part), nil
		}
		w.write(string(line))
		w.rest = after
	}
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.write(string(w.rest))
		w.rest = nil
	}
}
