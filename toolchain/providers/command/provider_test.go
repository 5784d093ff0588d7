package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// world is a provider, a host and the key that opens it.
type world struct {
	t        *testing.T
	provider integration.Server
	host     *server
	key      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	made, err := provider()
	if err != nil {
		t.Fatal(err)
	}
	served, err := integration.NewServer(t.Context(), "command", semver.MustParse("1.2.1"), integration.WithProvider(made))
	if err != nil {
		t.Fatal(err)
	}
	signer, key := newKey(t)
	return &world{t, served, startServer(t, signer.PublicKey()), key}
}

type values = map[string]property.Value

func text(s string) property.Value { return property.New(s) }

func (w *world) to(s *server, more values) values {
	fields := values{
		"host": text("127.0.0.1"), "port": property.New(s.port()), "user": text("deploy"),
		"privateKey": text(w.key), "hostKey": text(s.hostKey()),
		"dialErrorLimit": property.New(2.0),
	}
	for name, value := range more {
		fields[name] = value
	}
	return fields
}

func (w *world) inputs(more values) property.Map {
	all := values{"connection": property.New(w.to(w.host, nil)).WithSecret(true)}
	for name, value := range more {
		all[name] = value
	}
	return property.NewMap(all)
}

func urn(kind string) resource.URN {
	return resource.URN("urn:pulumi:test::test::command:remote:" + kind + "::it")
}

func (w *world) check(kind string, inputs property.Map) p.CheckResponse {
	w.t.Helper()
	checked, err := w.provider.Check(p.CheckRequest{Urn: urn(kind), Inputs: inputs})
	if err != nil {
		w.t.Fatal(err)
	}
	return checked
}

func (w *world) create(kind string, inputs property.Map) (p.CreateResponse, error) {
	w.t.Helper()
	checked := w.check(kind, inputs)
	if len(checked.Failures) > 0 {
		w.t.Fatal(checked.Failures)
	}
	return w.provider.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs})
}

func (w *world) mustCreate(kind string, inputs property.Map) p.CreateResponse {
	w.t.Helper()
	created, err := w.create(kind, inputs)
	if err != nil {
		w.t.Fatal(err)
	}
	return created
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestACommandRunsWithItsStdinAndReturnsItsOutput(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreate("Command", w.inputs(values{"create": text("lines"), "stdin": text("the bundle")}))
	if got := created.Properties.Get("stdout").AsString(); got != "one\ntwo\nthree" {
		t.Errorf("stdout is %q", got)
	}
	if got := created.Properties.Get("stderr").AsString(); got != "complaint" {
		t.Errorf("stderr is %q", got)
	}
	if !slices.Equal(w.host.stdins, []string{"the bundle"}) {
		t.Errorf("stdin was %q", w.host.stdins)
	}
}

func TestACommandGoesThroughTheProxy(t *testing.T) {
	w := newWorld(t)
	signer, key := newKey(t)
	bastion := startServer(t, signer.PublicKey())
	proxy := w.to(bastion, values{"privateKey": text(key)})
	created := w.mustCreate("Command", w.inputs(values{
		"connection": property.New(w.to(w.host, values{"proxy": property.New(proxy)})),
		"create":     text("hello"),
	}))
	if got := created.Properties.Get("stdout").AsString(); got != "ran hello" || bastion.forwards != 1 {
		t.Errorf("stdout %q, %d connections through the proxy", got, bastion.forwards)
	}
}

func TestAWrongHostKeyIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	other := startServer(t, w.host.signer.PublicKey())
	connection := property.New(w.to(w.host, values{"hostKey": text(other.hostKey()), "dialErrorLimit": property.New(9.0)}))
	_, err := w.create("Command", w.inputs(values{"connection": connection, "create": text("hello")}))
	wantError(t, err, "shows the host key ssh-ed25519 SHA256:", "is expected")
	if w.host.dials != 1 {
		t.Errorf("%d attempts", w.host.dials)
	}
}

func TestAHostThatIsNotUpYetIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	connection := property.New(w.to(w.host, values{"port": property.New(1.0)}))
	start := time.Now()
	_, err := w.create("Command", w.inputs(values{"connection": connection, "create": text("hello")}))
	wantError(t, err, "cannot connect to deploy@127.0.0.1:1 after 2 attempts")
	if waited := time.Since(start); waited < firstDelay {
		t.Errorf("gave up after %s", waited)
	}
}

func TestAFailedCommandShowsTheEndOfItsStderrAndNothingSecret(t *testing.T) {
	w := newWorld(t)
	created, err := w.create("Command", w.inputs(values{"create": text("fail"), "stdin": text("a password")}))
	wantError(t, err, "127.0.0.1", "ended with status 3", "the unit is broken")
	if strings.Contains(err.Error(), "a password") || len(err.Error()) > 2*stderrShown {
		t.Errorf("the error says too much: %d bytes", len(err.Error()))
	}
	if created.ID != "" {
		t.Error("the failed command was recorded")
	}
}

func TestVariablesThatTheServerRefusesDoNotFailTheCommand(t *testing.T) {
	w := newWorld(t)
	w.host.refuse = true
	environment := property.New(values{"LANG": text("C")})
	w.mustCreate("Command", w.inputs(values{"create": text("hello"), "environment": environment}))
}

func TestAnUpdateRunsTheCreateCommandIfThereIsNoOtherAndKnowsThePreviousOutput(t *testing.T) {
	w := newWorld(t)
	created := w.mustCreate("Command", w.inputs(values{"create": text("first")}))
	for _, step := range []struct{ update, want string }{{"", "ran second"}, {"third", "ran third"}} {
		more := values{"create": text("second"), "environment": property.New(values{"LANG": text("C")})}
		if step.update != "" {
			more["update"] = text(step.update)
		}
		updated, err := w.provider.Update(p.UpdateRequest{
			ID: created.ID, Urn: urn("Command"), State: created.Properties,
			Inputs: w.check("Command", w.inputs(more)).Inputs,
		})
		if err != nil || updated.Properties.Get("stdout").AsString() != step.want {
			t.Errorf("%v: %v", updated.Properties.Get("stdout"), err)
		}
	}
	if w.host.variables["PULUMI_COMMAND_STDOUT"] != "ran first" || w.host.variables["LANG"] != "C" {
		t.Errorf("variables are %v", w.host.variables)
	}
}

func TestPreviousOutputCanBeKeptOutOfTheEnvironment(t *testing.T) {
	w := newWorld(t)
	inputs := w.inputs(values{"create": text("first"), "addPreviousOutputInEnv": property.New(false)})
	created := w.mustCreate("Command", inputs)
	_, err := w.provider.Update(p.UpdateRequest{
		ID: created.ID, Urn: urn("Command"), State: created.Properties, Inputs: w.check("Command", inputs).Inputs,
	})
	if err != nil || len(w.host.variables) != 0 {
		t.Errorf("variables are %v: %v", w.host.variables, err)
	}
}

func TestADeletedCommandRunsItsDeleteCommand(t *testing.T) {
	w := newWorld(t)
	for _, more := range []values{{"create": text("in")}, {"create": text("in"), "delete": text("out")}} {
		created := w.mustCreate("Command", w.inputs(more))
		err := w.provider.Delete(p.DeleteRequest{ID: created.ID, Urn: urn("Command"), Properties: created.Properties})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(w.host.commands, []string{"in", "in", "out"}) {
		t.Errorf("ran %v", w.host.commands)
	}
}

func TestAPreviewReachesNoHostAndKnowsNoOutput(t *testing.T) {
	w := newWorld(t)
	checked := w.check("Command", w.inputs(values{"create": text("hello")}))
	shown, err := w.provider.Create(p.CreateRequest{Urn: urn("Command"), Properties: checked.Inputs, DryRun: true})
	if err != nil || w.host.dials != 0 {
		t.Fatalf("%d connections: %v", w.host.dials, err)
	}
	if !shown.Properties.Get("stdout").IsComputed() {
		t.Errorf("stdout is %v", shown.Properties.Get("stdout"))
	}
}

func TestSecretsStaySecret(t *testing.T) {
	w := newWorld(t)
	plain := property.New(w.to(w.host, nil))
	inputs := w.inputs(values{"connection": plain, "create": text("x"), "stdin": text("password").WithSecret(true)})
	checked := w.check("Command", inputs)
	created := w.mustCreate("Command", inputs)
	for _, found := range []property.Map{checked.Inputs, created.Properties} {
		for _, name := range []string{"connection", "stdin"} {
			if !found.Get(name).Secret() {
				t.Errorf("%s is not secret", name)
			}
		}
	}
}

func TestChangedTriggersReplaceAndOtherChangesUpdate(t *testing.T) {
	w := newWorld(t)
	before := w.inputs(values{"create": text("x")})
	created := w.mustCreate("Command", before)
	for _, step := range []struct {
		more values
		want p.DiffKind
	}{
		{values{"create": text("x"), "triggers": property.New([]property.Value{text("1")})}, p.AddReplace},
		{values{"create": text("y")}, p.Update},
	} {
		diff, err := w.provider.Diff(p.DiffRequest{
			ID: created.ID, Urn: urn("Command"), State: created.Properties,
			OldInputs: w.check("Command", before).Inputs, Inputs: w.check("Command", w.inputs(step.more)).Inputs,
		})
		if err != nil || len(diff.DetailedDiff) != 1 {
			t.Fatalf("%v: %v", diff, err)
		}
		for name, found := range diff.DetailedDiff {
			if found.Kind != step.want {
				t.Errorf("%s: %v", name, found.Kind)
			}
		}
	}
}

func TestLinesOfAStreamAreLoggedAsTheyCome(t *testing.T) {
	var lines []string
	log := &lineWriter{enabled: true, write: func(line string) { lines = append(lines, line) }}
	for _, part := range []string{"on", "e\ntwo\nth", "ree"} {
		log.Write([]byte(part))
	}
	if !slices.Equal(lines, []string{"one", "two"}) {
		t.Errorf("before the end: %v", lines)
	}
	log.flush()
	if !slices.Equal(lines, []string{"one", "two", "three"}) {
		t.Errorf("at the end: %v", lines)
	}
	quiet := &lineWriter{write: func(string) { t.Error("logged") }}
	quiet.Write([]byte("one\n"))
	quiet.flush()
}

func TestLoggingChoosesTheStreams(t *testing.T) {
	for logging, want := range map[Logging][2]bool{
		LogStdout: {true, false}, LogStderr: {false, true}, LogBoth: {true, true}, LogNone: {false, false},
	} {
		if got := [2]bool{logging.stdout(), logging.stderr()}; got != want {
			t.Errorf("%s: %v", logging, got)
		}
	}
}

func TestACancelledCommandEndsAtOnce(t *testing.T) {
	w := newWorld(t)
	var finished sync.WaitGroup
	finished.Add(1)
	var err error
	go func() {
		defer finished.Done()
		_, err = w.create("Command", w.inputs(values{"create": text("sleep")}))
	}()
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	if err := w.provider.Cancel(); err != nil {
		t.Fatal(err)
	}
	finished.Wait()
	wantError(t, err, "interrupted")
	if took := time.Since(start); took > time.Second {
		t.Errorf("ended after %s", took)
	}
	if ended := <-w.host.ended; ended != "sleep" {
		t.Errorf("%q ended on the host", ended)
	}
}

func TestCancellingEndsTheAttemptsToConnect(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	port, limit := 1.0, -1
	start := time.Now()
	_, err := connect(ctx, Connection{endpoint: endpoint{Host: "127.0.0.1", Port: &port, DialErrorLimit: &limit}})
	wantError(t, err, "connecting to 127.0.0.1:1")
	if took := time.Since(start); took > time.Second {
		t.Errorf("ended after %s", took)
	}
}
