{{/* By these the Services and policies find the pods: with the root's context and a component, site or database. */}}
{{- define "drupal.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "drupal.labels" -}}
{{ include "drupal.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What Pod Security's level `restricted` asks of a container. */}}
{{- define "drupal.restricted" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* A container that gives directories to whom the pod runs as: the top directory of a new share is root's. */}}
{{- define "drupal.prepare" -}}
- name: prepare
  image: {{ .image }}
  command: [install, --directory, --mode=0750, --owner={{ .account }}, --group={{ .account }}, {{ join ", " .directories }}]
  securityContext:
    runAsUser: 0
    runAsNonRoot: false
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL], add: [CHOWN, DAC_OVERRIDE, FOWNER]}
    seccompProfile: {type: RuntimeDefault}
  volumeMounts:
  - {name: share, mountPath: {{ first .directories }}}
{{- end }}

{{- define "drupal.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
