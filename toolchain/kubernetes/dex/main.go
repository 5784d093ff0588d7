// dex as an identity provider of the sandbox: `dex FILE.json`. Clients and people, with their groups, stand in the file;
// what dex remembers is in its memory. cmd/dex of this version needs storages (etcd, SQL) that no longer build.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

const people = "people" // the one connector, and its type

// configuration is the file.
type configuration struct {
	Issuer  string `json:"issuer"`
	Listen  string `json:"listen"` // an address, such as :5556
	Clients []struct {
		ID           string   `json:"id"`
		Secret       string   `json:"secret"`
		RedirectURIs []string `json:"redirectURIs"`
	} `json:"clients"`
	People map[string]person `json:"people"` // by e-mail address
	// Paths of a provider that has its endpoints elsewhere: its path -> the one here, below the issuer's. With any,
	// there is no discovery.
	Paths map[string]string `json:"paths"`
}

type person struct {
	Password string   `json:"password"`
	Groups   []string `json:"groups"`
}

// directory lets people log in: dex's own passwords know no groups.
type directory map[string]person

func (d directory) Open(string, logrus.FieldLogger) (connector.Connector, error) { return d, nil }

func (d directory) Prompt() string { return "E-mail" }

func (d directory) Login(_ context.Context, s connector.Scopes, email, password string) (connector.Identity, bool, error) {
	known, found := d[email]
	if !found || known.Password != password {
		return connector.Identity{}, false, nil
	}
	return d.identity(email, s), true, nil
}

// Refresh says what is known now; who is gone gets no further token.
func (d directory) Refresh(_ context.Context, s connector.Scopes, old connector.Identity) (connector.Identity, error) {
	if _, found := d[old.Email]; !found {
		return old, errors.New("nobody has this address any more")
	}
	return d.identity(old.Email, s), nil
}

func (d directory) identity(email string, s connector.Scopes) connector.Identity {
	name, _, _ := strings.Cut(email, "@")
	found := connector.Identity{UserID: email, Username: name, Email: email, EmailVerified: true}
	if s.Groups {
		found.Groups = d[email].Groups
	}
	return found
}

// html begins each page: without it browsers take what dex sends for plain text.
const html = "<!DOCTYPE html>\n<title>Identity provider</title>\n"

// pages are dex's templates: the form, and what goes wrong. The others are for what this provider does not do.
var pages = map[string]string{
	"password.html": `<form method="post" action="{{ .PostURL }}">{{ if .Invalid }}Invalid e-mail and password.{{ end }}
<input name="login" type="text"><input name="password" type="password"><button type="submit">Log in</button></form>`,
	"error.html":    `{{ .ErrType }}: {{ .ErrMsg }}`,
	"login.html":    `There is one way to log in.`,
	"approval.html": `Nothing is asked.`,
	"oob.html":      `{{ .Code }}`,
}

// writePages makes the directory that dex wants its templates in.
func writePages() (string, error) {
	folder, err := os.MkdirTemp("", "dex")
	if err != nil {
		return "", err
	}
	for _, part := range []string{"static", "templates", "themes/coreos"} {
		if err := os.MkdirAll(filepath.Join(folder, part), 0o755); err != nil {
			return "", err
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, "templates", name), []byte(html+text), 0o644); err != nil {
			return "", err
		}
	}
	return folder, nil
}

func read(file string) (configuration, error) {
	var found configuration
	text, err := os.ReadFile(file)
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return found, fmt.Errorf("%s: %w", file, err)
	}
	return found, nil
}

// provider is dex with the clients and people of a configuration.
func provider(told configuration, logger logrus.FieldLogger) (http.Handler, error) {
	var clients []storage.Client
	for _, one := range told.Clients {
		clients = append(clients, storage.Client{ID: one.ID, Secret: one.Secret, Name: one.ID, RedirectURIs: one.RedirectURIs})
	}
	server.ConnectorsConfig[people] = func() server.ConnectorConfig { return directory(told.People) }
	store := storage.WithStaticClients(memory.New(logger), clients)
	store = storage.WithStaticConnectors(store, []storage.Connector{{ID: people, Name: people, Type: people}})
	folder, err := writePages()
	if err != nil {
		return nil, err
	}
	dex, err := server.NewServer(context.Background(), server.Config{Issuer: told.Issuer, Storage: store, SkipApprovalScreen: true,
		Web: server.WebConfig{Dir: folder}, Logger: logger, PrometheusRegistry: prometheus.NewRegistry()})
	if err != nil {
		return nil, err
	}
	issuer, err := url.Parse(told.Issuer)
	if err != nil {
		return nil, err
	}
	below := strings.TrimSuffix(issuer.Path, "/")
	answers := http.NewServeMux()
	known := &issued{claims: map[string][]byte{}}
	answers.Handle("/", dex)
	answers.Handle(below+"/token", known.remembered(dex))
	answers.HandleFunc(below+"/userinfo", known.userinfo)
	return elsewhere(answers, below, told.Paths), nil
}

// issued are the access tokens that were given, with what is claimed of whom they are: dex of this version remembers
// neither.
type issued struct {
	mutex  sync.Mutex
	claims map[string][]byte // JSON, by token
}

// remembered answers as dex does at /token.
func (i *issued) remembered(dex http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		dex.ServeHTTP(answer, r)
		var given struct {
			Access string `json:"access_token"`
			ID     string `json:"id_token"`
		}
		if json.Unmarshal(answer.Body.Bytes(), &given) == nil {
			if parts := strings.Split(given.ID, "."); len(parts) == 3 {
				if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
					i.mutex.Lock()
					i.claims[given.Access] = claims
					i.mutex.Unlock()
				}
			}
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// userinfo says whose a token is, and whether it was given at all: a token in the header, or as Google's tokeninfo has it.
func (i *issued) userinfo(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("access_token")
	if token == "" {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	i.mutex.Lock()
	claims, found := i.claims[token]
	i.mutex.Unlock()
	if !found {
		http.Error(w, "no such token", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(claims)
}

// elsewhere answers at a provider's own paths.
func elsewhere(answers http.Handler, below string, paths map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, below)
		if len(paths) > 0 && strings.HasPrefix(path, "/.well-known/") {
			http.NotFound(w, r)
			return
		}
		if own, found := paths[path]; found {
			r.URL.Path = below + own
		}
		answers.ServeHTTP(w, r)
	})
}

func main() {
	logger := logrus.New()
	if len(os.Args) != 2 {
		logger.Fatal("usage: dex FILE.json")
	}
	told, err := read(os.Args[1])
	if err != nil {
		logger.Fatal(err)
	}
	dex, err := provider(told, logger)
	if err != nil {
		logger.Fatal(err)
	}
	logger.Fatal(http.ListenAndServe(told.Listen, dex))
}
