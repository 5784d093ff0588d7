package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// CopyToRemoteArgs are the inputs of a CopyToRemote.
type CopyToRemoteArgs struct {
	Connection Connection           `pulumi:"connection" provider:"secret"`
	Source     types.AssetOrArchive `pulumi:"source"`
	RemotePath string               `pulumi:"remotePath"`
	Triggers   []any                `pulumi:"triggers,optional" provider:"replaceOnChanges"`
}

// CopyToRemoteState is what Pulumi keeps of a CopyToRemote.
type CopyToRemoteState struct{ CopyToRemoteArgs }

// CopyToRemote copies a file, a text or a folder to a host, by SFTP.
type CopyToRemote struct{}

// Annotate gives the resource its place in the schema.
func (c *CopyToRemote) Annotate(a infer.Annotator) { a.SetToken("remote", "CopyToRemote") }

// Check refuses sources that are no local file, text or folder.
func (*CopyToRemote) Check(
	ctx context.Context, r infer.CheckRequest,
) (infer.CheckResponse[CopyToRemoteArgs], error) {
	args, failures, err := infer.DefaultCheck[CopyToRemoteArgs](ctx, r.NewInputs)
	if err == nil && !r.NewInputs.Get("source").IsComputed() && !copyable(args.Source) {
		failures = append(failures, p.CheckFailure{
			Property: "source",
			Reason:   "must be a FileAsset, a StringAsset or a FileArchive",
		})
	}
	return infer.CheckResponse[CopyToRemoteArgs]{Inputs: args, Failures: failures}, err
}

func copyable(source types.AssetOrArchive) bool {
	if source.Asset != nil {
		return source.Asset.IsPath() || source.Asset.IsText()
	}
	return source.Archive != nil && source.Archive.IsPath()
}

// Create copies the source.
func (*CopyToRemote) Create(
	ctx context.Context, r infer.CreateRequest[CopyToRemoteArgs],
) (done infer.CreateResponse[CopyToRemoteState], err error) {
	done.Output.CopyToRemoteArgs = r.Inputs
	if done.ID, err = resource.NewUniqueHex(r.Name, 8, 0); err != nil || r.DryRun {
		return done, err
	}
	return done, r.Inputs.upload(ctx)
}

// Update copies the source again.
func (*CopyToRemote) Update(
	ctx context.Context, r infer.UpdateRequest[CopyToRemoteArgs, CopyToRemoteState],
) (done infer.UpdateResponse[CopyToRemoteState], err error) {
	done.Output.CopyToRemoteArgs = r.Inputs
	if r.DryRun {
		return done, nil
	}
	return done, r.Inputs.upload(ctx)
}

func (a CopyToRemoteArgs) upload(ctx context.Context) error {
	host, err := connect(ctx, a.Connection)
	if err != nil {
		return err
	}
	defer host.Close()
	stop := context.AfterFunc(ctx, host.Close)
	defer stop()
	remote, err := sftp.NewClient(host.Client)
	if err != nil {
		return fmt.Errorf("%s offers no SFTP: %w", a.Connection.Host, err)
	}
	defer remote.Close()
	err = a.send(remote)
	if ctx.Err() != nil {
		return fmt.Errorf("copying to %s was interrupted: %w", a.Connection.Host, context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("copying to %s:%s: %w", a.Connection.Host, a.RemotePath, err)
	}
	return nil
}

// send copies as the documentation of `remotePath` says.
func (a CopyToRemoteArgs) send(remote *sftp.Client) error {
	found, err := remote.Stat(a.RemotePath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	intoFolder := err == nil && found.IsDir()
	if a.Source.Asset != nil && a.Source.Asset.IsText() {
		if intoFolder {
			return errors.New("it is a folder; a StringAsset needs the path of a file")
		}
		return write(remote, a.RemotePath, strings.NewReader(a.Source.Asset.Text), 0)
	}
	local, target := a.localPath(), a.RemotePath
	if intoFolder {
		target = path.Join(target, filepath.Base(local))
	}
	info, err := os.Stat(local)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return sendFile(remote, local, target)
	}
	if found != nil && !found.IsDir() {
		return errors.New("it is a file; a folder cannot take its place")
	}
	return sendFolder(remote, local, target)
}

func (a CopyToRemoteArgs) localPath() string {
	if a.Source.Asset != nil {
		return a.Source.Asset.Path
	}
	return a.Source.Archive.Path
}

func sendFolder(remote *sftp.Client, local, target string) error {
	return filepath.WalkDir(local, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(local, name)
		if err != nil {
			return err
		}
		to := path.Join(target, filepath.ToSlash(below))
		info, err := os.Stat(name) // what a link points to
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return remote.MkdirAll(to)
		case info.Mode().IsRegular():
			return sendFile(remote, name, to)
		}
		return fmt.Errorf("%s is neither a file nor a folder", name)
	})
}

func sendFile(remote *sftp.Client, local, target string) error {
	file, err := os.Open(local)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return write(remote, target, file, info.Mode().Perm())
}

// write makes a file of the content, and the folders it lies in; mode 0 leaves the permissions to the server.
func write(remote *sftp.Client, target string, content io.Reader, mode fs.FileMode) error {
	if err := remote.MkdirAll(path.Dir(target)); err != nil {
		return err
	}
	file, err := remote.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if mode != 0 {
		err = file.Chmod(mode)
	}
	if err == nil {
		_, err = file.ReadFrom(content)
	}
	return errors.Join(err, file.Close())
}
