package main

import (
	"context"

	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Logging says which streams of a command go to the engine's log while it runs.
type Logging string

// The values of Logging.
const (
	LogStdout Logging = "stdout"
	LogStderr Logging = "stderr"
	LogBoth   Logging = "stdoutAndStderr"
	LogNone   Logging = "none"
)

// Values lists the enumeration for the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: LogStdout, Description: "Capture stdout in logs but not stderr"},
		{Name: "Stderr", Value: LogStderr, Description: "Capture stderr in logs but not stdout"},
		{Name: "StdoutAndStderr", Value: LogBoth, Description: "Capture stdout and stderr in logs"},
		{Name: "None", Value: LogNone, Description: "Capture no logs"},
	}
}

func (l Logging) stdout() bool { return l == LogStdout || l == LogBoth }
func (l Logging) stderr() bool { return l == LogStderr || l == LogBoth }

// CommandArgs are the inputs of a remote Command.
type CommandArgs struct {
	Connection             Connection        `pulumi:"connection" provider:"secret"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Triggers               []any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// CommandState is what Pulumi keeps of a remote Command.
type CommandState struct {
	CommandArgs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Command runs commands on a host when it is created, changed and deleted.
type Command struct{}

// Annotate gives the resource its place in the schema.
func (c *Command) Annotate(a infer.Annotator) { a.SetToken("remote", "Command") }

// Annotate sets the defaults.
func (c *CommandArgs) Annotate(a infer.Annotator) { a.SetDefault(&c.AddPreviousOutputInEnv, true) }

func (a CommandArgs) job(command string, before *CommandState) job {
	j := job{
		connection:  a.Connection,
		command:     command,
		stdin:       or(a.Stdin, ""),
		environment: a.Environment,
		logging:     or(a.Logging, LogBoth),
	}
	if before != nil && or(a.AddPreviousOutputInEnv, true) {
		j.previous = map[string]string{
			"PULUMI_COMMAND_STDOUT": before.Stdout,
			"PULUMI_COMMAND_STDERR": before.Stderr,
		}
	}
	return j
}

// Create runs the create command. When it fails nothing is recorded, so the next `up` runs it again.
func (*Command) Create(
	ctx context.Context, r infer.CreateRequest[CommandArgs],
) (done infer.CreateResponse[CommandState], err error) {
	done.Output.CommandArgs = r.Inputs
	if done.ID, err = resource.NewUniqueHex(r.Name, 8, 0); err != nil || r.DryRun || r.Inputs.Create == nil {
		return done, err
	}
	done.Output.Stdout, done.Output.Stderr, err = r.Inputs.job(*r.Inputs.Create, nil).run(ctx)
	return done, err
}

// Update runs the update command, or the create command if there is none.
func (*Command) Update(
	ctx context.Context, r infer.UpdateRequest[CommandArgs, CommandState],
) (done infer.UpdateResponse[CommandState], err error) {
	done.Output = CommandState{CommandArgs: r.Inputs, Stdout: r.State.Stdout, Stderr: r.State.Stderr}
	command := r.Inputs.Update
	if command == nil {
		command = r.Inputs.Create
	}
	if r.DryRun || command == nil {
		return done, nil
	}
	done.Output.Stdout, done.Output.Stderr, err = r.Inputs.job(*command, &r.State).run(ctx)
	return done, err
}

// Delete runs the delete command, if there is one.
func (*Command) Delete(
	ctx context.Context, r infer.DeleteRequest[CommandState],
) (infer.DeleteResponse, error) {
	if r.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	_, _, err := r.State.job(*r.State.Delete, &r.State).run(ctx)
	return infer.DeleteResponse{}, err
}
