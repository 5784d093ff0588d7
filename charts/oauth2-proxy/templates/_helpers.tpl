{{/* By these a Service finds its pod: with the root's context and a service. */}}
{{- define "oauth2-proxy.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service.name }}
{{- end }}

{{- define "oauth2-proxy.labels" -}}
{{ include "oauth2-proxy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/*
The proxy's own file, in TOML, which reads JSON's texts and lists. In a flag, a comma would be the end of a value.

It stands behind the ingress controller, but does not believe what requests say of themselves (reverse_proxy): by
X-Forwarded-Uri anybody could name a path that needs no login.
*/}}
{{- define "oauth2-proxy.configuration" -}}
{{- $provider := .root.Values.provider -}}
http_address = "0.0.0.0:4180"
reverse_proxy = false
upstreams = {{ list .service.upstream | toJson }}
redirect_url = {{ printf "https://%s/oauth2/callback" .service.host | toJson }}
{{- with .service.guarded }}
skip_auth_routes = {{ list (printf "!=%s" .) | toJson }}
{{- end }}
provider = {{ $provider.kind | toJson }}
provider_display_name = {{ default $provider.kind $provider.name | toJson }}
skip_provider_button = true
client_id = {{ $provider.clientID | toJson }}
client_secret_file = "/etc/sign-on/client-secret"
scope = {{ join " " $provider.scopes | toJson }}
{{- if eq $provider.kind "oidc" }}
oidc_issuer_url = {{ $provider.issuer | toJson }}
oidc_groups_claim = {{ $provider.groupsClaim | toJson }}
insecure_oidc_skip_nonce = false
code_challenge_method = "S256"
{{- if $provider.endpoints }}
skip_oidc_discovery = true
{{- end }}
{{- with $provider.endpoints.keys }}
oidc_jwks_url = {{ . | toJson }}
{{- end }}
{{- end }}
{{- with $provider.endpoints.login }}
login_url = {{ . | toJson }}
{{- end }}
{{- with $provider.endpoints.redeem }}
redeem_url = {{ . | toJson }}
{{- end }}
{{- with $provider.endpoints.profile }}
profile_url = {{ . | toJson }}
{{- end }}
{{- with $provider.endpoints.validate }}
validate_url = {{ . | toJson }}
{{- end }}
{{- with $provider.allowedGroups }}
allowed_groups = {{ . | toJson }}
{{- end }}
{{- if $provider.emails }}
authenticated_emails_file = "/etc/oauth2-proxy/emails"
{{- end }}
{{- if or $provider.emailDomains (not $provider.emails) }}
email_domains = {{ default (list "*") $provider.emailDomains | toJson }}
{{- end }}
cookie_secret_file = "/etc/sign-on/cookie-secret"
cookie_name = "__Host-sign-on"
cookie_secure = true
cookie_httponly = true
cookie_samesite = "lax"
session_cookie_minimal = true
cookie_expire = {{ .root.Values.session | toJson }}
upstream_timeout = "10m"
{{- end }}
