// cert-manager is every program of cert-manager: which one, the first argument says. They share most of their code, so
// that this one is a third of the largest three.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	acmesolver "github.com/cert-manager/cert-manager/cmd/acmesolver/app"
	cainjector "github.com/cert-manager/cert-manager/cmd/cainjector/app"
	controller "github.com/cert-manager/cert-manager/cmd/controller/app"
	"github.com/cert-manager/cert-manager/cmd/ctl/pkg/check"
	"github.com/cert-manager/cert-manager/cmd/util"
	webhook "github.com/cert-manager/cert-manager/cmd/webhook/app"
	logs "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

var programs = map[string]func(ctx context.Context, stop <-chan struct{}) *cobra.Command{
	"acmesolver": func(_ context.Context, stop <-chan struct{}) *cobra.Command {
		return acmesolver.NewACMESolverCommand(stop)
	},
	"cainjector": func(ctx context.Context, _ <-chan struct{}) *cobra.Command {
		return cainjector.NewCommandStartInjectorController(ctx, os.Stdout, os.Stderr)
	},
	"controller": func(_ context.Context, stop <-chan struct{}) *cobra.Command {
		return controller.NewCommandStartCertManagerController(stop)
	},
	"ctl": func(ctx context.Context, _ <-chan struct{}) *cobra.Command {
		root := &cobra.Command{Use: "ctl"}
		streams := genericclioptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
		root.AddCommand(check.NewCmdCheck(ctx, streams))
		return root
	},
	"webhook": func(_ context.Context, stop <-chan struct{}) *cobra.Command { return webhook.NewServerCommand(stop) },
}

func main() {
	stop, exit := util.SetupExitHandler(util.GracefulShutdown)
	defer exit() // with the code that was set: it ends the process

	var program func(context.Context, <-chan struct{}) *cobra.Command
	if len(os.Args) > 1 {
		program = programs[os.Args[1]]
	}
	if program == nil {
		fmt.Fprintln(os.Stderr, "cert-manager: its first argument is acmesolver, cainjector, controller, ctl or webhook")
		os.Exit(2)
	}
	logs.InitLogs(flag.CommandLine)
	defer logs.FlushLogs()
	log.SetLogger(logs.Log)
	command := program(util.ContextWithStopCh(context.Background(), stop), stop)
	command.Flags().AddGoFlagSet(flag.CommandLine)
	_ = flag.CommandLine.Parse(nil)
	command.SetArgs(os.Args[2:])
	if err := command.Execute(); err != nil {
		logs.Log.Error(err, "it ends", "program", os.Args[1])
		util.SetExitCode(err)
	}
}
