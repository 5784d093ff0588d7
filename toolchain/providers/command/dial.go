package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/crypto/ssh"
)

const (
	firstDelay = time.Second
	maxDelay   = 15 * time.Second
	backoff    = 1.5
)

// permanent marks an error that no second attempt can heal.
type permanent struct{ error }

func (e permanent) Unwrap() error { return e.error }

// link is a connection to a host, and to the proxy it goes through.
type link struct {
	*ssh.Client
	proxy *ssh.Client
}

// Close ends both connections.
func (l *link) Close() {
	if l.Client != nil {
		l.Client.Close()
	}
	if l.proxy != nil {
		l.proxy.Close()
	}
}

// connect reaches the host, through its proxy if there is one. A host that boots is tried again and again, as
// dialErrorLimit of the host and of the proxy say.
func connect(ctx context.Context, c Connection) (*link, error) {
	l := &link{}
	err := retry(ctx, c.endpoint, func(ctx context.Context) (err error) {
		var dialer netDialer = &net.Dialer{}
		if c.Proxy != nil {
			if l.proxy, err = alive(ctx, l.proxy, c.Proxy.endpoint); err != nil {
				return permanent{fmt.Errorf("proxy: %w", err)} // it had attempts of its own
			}
			dialer = l.proxy
		}
		l.Client, err = dial(ctx, dialer, c.endpoint)
		return err
	})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// alive returns the proxy's connection, made anew if there is none or it broke.
func alive(ctx context.Context, proxy *ssh.Client, e endpoint) (*ssh.Client, error) {
	if proxy != nil {
		if _, _, err := proxy.SendRequest("keepalive@openssh.com", true, nil); err == nil {
			return proxy, nil
		}
		proxy.Close()
	}
	var client *ssh.Client
	err := retry(ctx, e, func(ctx context.Context) (err error) {
		client, err = dial(ctx, &net.Dialer{}, e)
		return err
	})
	return client, err
}

// retry attempts until it works, the error is permanent, the context ends, or dialErrorLimit errors were made
// (-1: no limit).
func retry(ctx context.Context, e endpoint, attempt func(context.Context) error) error {
	limit, delay := or(e.DialErrorLimit, defaultDialErrorLimit), firstDelay
	for failures := 1; ; failures++ {
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("connecting to %s: %w", e.address(), context.Cause(ctx))
		}
		var final permanent
		if errors.As(err, &final) {
			return final.error
		}
		if limit >= 0 && failures >= limit {
			return fmt.Errorf("cannot connect to %s@%s after %d attempts: %w",
				or(e.User, defaultUser), e.address(), failures, err)
		}
		p.GetLogger(ctx).DebugStatusf("attempt %d to reach %s: %v", failures, e.address(), err)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(time.Duration(float64(delay)*backoff), maxDelay)
	}
}

type netDialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// dial makes one attempt, within perDialTimeout.
func dial(ctx context.Context, dialer netDialer, e endpoint) (*ssh.Client, error) {
	config, release, err := e.client()
	if err != nil {
		return nil, permanent{err}
	}
	defer release()
	if timeout := e.timeout(); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, err := dialer.DialContext(ctx, "tcp", e.address())
	if err != nil {
		return nil, err
	}
	// A connection through a proxy knows no deadlines: closing it ends the handshake.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	sshConn, channels, requests, err := ssh.NewClientConn(conn, e.address(), config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		var mismatch *hostKeyMismatch
		if errors.As(err, &mismatch) {
			return nil, permanent{mismatch}
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, fmt.Errorf("no SSH answer within %s", e.timeout())
		}
		return nil, err
	}
	return ssh.NewClient(sshConn, channels, requests), nil
}
