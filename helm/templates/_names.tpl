{{- define "bluesky-pds.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, with the chart's name unless that is in it already. Room is left for the longest suffix. */}}
{{- define "bluesky-pds.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "bluesky-pds.selectorLabels" -}}
app.kubernetes.io/name: {{ include "bluesky-pds.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "bluesky-pds.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: bluesky-pds
{{ include "bluesky-pds.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ include "bluesky-pds.strings" . }}
{{- end }}
{{- end }}

{{/* A map whose values are texts, as labels and annotations must be: 7200 becomes "7200", true "true". */}}
{{- define "bluesky-pds.strings" -}}
{{- $texts := dict }}
{{- range $key, $value := . }}
{{- $_ := set $texts $key (ternary $value (toJson $value) (kindIs "string" $value)) }}
{{- end }}
{{- toYaml $texts }}
{{- end }}

{{/* Name, namespace, labels and annotations of an object: (dict "root" $ "suffix" "-data" "labels" … "annotations" …), all but root optional. */}}
{{- define "bluesky-pds.metadata" -}}
{{- $own := include "bluesky-pds.labels" .root | fromYaml -}}
name: {{ include "bluesky-pds.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- merge (dict) (default dict .labels) $own | include "bluesky-pds.strings" | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- include "bluesky-pds.strings" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "bluesky-pds.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "bluesky-pds.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "bluesky-pds.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{- define "bluesky-pds.imagePullSecrets" -}}
{{- range .Values.imagePullSecrets }}
- name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* The wildcards of the handles of this server's users, as a YAML list. */}}
{{- define "bluesky-pds.wildcards" -}}
{{- range default (list (printf ".%s" .Values.pds.config.hostname)) .Values.pds.config.serviceHandleDomains }}
- {{ printf "*%s" . | quote }}
{{- end }}
{{- end }}

{{/* The server's host name and the wildcards of its users' handles, as a YAML list. */}}
{{- define "bluesky-pds.hosts" -}}
- {{ .Values.pds.config.hostname | quote }}
{{- include "bluesky-pds.wildcards" . }}
{{- end }}

{{- define "bluesky-pds.claimName" -}}
{{- default (printf "%s-data" (include "bluesky-pds.fullname" .)) .Values.pds.dataStorage.existingClaim }}
{{- end }}

{{/* Where a pod may run and what it knows of the network, for the server and for the pod of `helm test`. */}}
{{- define "bluesky-pds.placement" -}}
{{- $placement := dict }}
{{- range $field := list "priorityClassName" "runtimeClassName" "dnsPolicy" "dnsConfig" "hostAliases" "tolerations" }}
{{- with get $.Values $field }}
{{- $_ := set $placement $field . }}
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
{{- $_ := set $placement "nodeSelector" (include "bluesky-pds.strings" . | fromYaml) }}
{{- end }}
{{- with $placement }}
{{- toYaml . }}
{{- end }}
{{- end }}
