{{/* An expression for Zeppelin's own templates, which are Jinja's. */}}
{{- define "zeppelin.jinja" -}}
{{ "{{" }} {{ . }} {{ "}}" }}
{{- end }}

{{- define "zeppelin.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "zeppelin.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Marks the interpreters' pods and Services: the server removes those that an earlier one left. */}}
{{- define "zeppelin.interpreter" -}}
app.kubernetes.io/component: interpreter
app.kubernetes.io/part-of: {{ .Release.Name }}
{{- end }}

{{/* What Pod Security's level `restricted` asks of a container. */}}
{{- define "zeppelin.restricted" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "zeppelin.account" -}}
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
{{- end }}

{{- define "zeppelin.mounts" -}}
{{- range .Values.notebooks.mounts }}
- {name: {{ .name }}, mountPath: {{ .path }}, readOnly: {{ .readOnly }}}
{{- end }}
{{- end }}

{{- define "zeppelin.volumes" -}}
{{- range .Values.notebooks.mounts }}
- name: {{ .name }}
  persistentVolumeClaim: {claimName: {{ .claim }}, readOnly: {{ .readOnly }}}
{{- end }}
{{- end }}

{{- define "zeppelin.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
