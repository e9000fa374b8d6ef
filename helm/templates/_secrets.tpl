{{/*
Where the secrets come from: a Secret made beforehand, values, or this chart. Secrets from values are in <fullname>-secret, the name the older
chart used; generated ones in <fullname>-keys, which is immutable, because a rotation key that is overwritten is lost.
*/}}
{{- define "bluesky-pds.generatedSecretName" -}}
{{ include "bluesky-pds.fullname" . }}-keys
{{- end }}

{{- define "bluesky-pds.inlineSecretName" -}}
{{ include "bluesky-pds.fullname" . }}-secret
{{- end }}

{{/* The Secret with the server's three secrets. */}}
{{- define "bluesky-pds.secretName" -}}
{{- $secrets := .Values.pds.config.secrets }}
{{- if $secrets.existingSecret }}
{{- $secrets.existingSecret }}
{{- else if $secrets.generate }}
{{- include "bluesky-pds.generatedSecretName" . }}
{{- else }}
{{- include "bluesky-pds.inlineSecretName" . }}
{{- end }}
{{- end }}

{{/* The Secret with the address or password of the mail server: generated secrets have none, values may add one to them. */}}
{{- define "bluesky-pds.mailSecretName" -}}
{{- default (include "bluesky-pds.inlineSecretName" .) .Values.pds.config.secrets.existingSecret }}
{{- end }}

{{/* A key of the Secret: (dict "root" $ "key" "jwtSecret"). */}}
{{- define "bluesky-pds.secretKey" -}}
{{- $secrets := .root.Values.pds.config.secrets }}
{{- if $secrets.existingSecret }}{{ get $secrets.keys .key | default .key }}{{ else }}{{ .key }}{{ end }}
{{- end }}

{{/* The given values as the data of a Secret. */}}
{{- define "bluesky-pds.inlineSecretData" -}}
{{- $secrets := .Values.pds.config.secrets }}
{{- range $key := list "adminPassword" "jwtSecret" "plcRotationKey" "emailSmtpUrl" "emailSmtpPassword" }}
{{- with get $secrets $key }}
{{ $key }}: {{ . | toString | b64enc | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Generated once; found again on upgrades and when a release comes back under its name. */}}
{{- define "bluesky-pds.generatedSecretData" -}}
{{- $name := include "bluesky-pds.generatedSecretName" . }}
{{- $found := lookup "v1" "Secret" .Release.Namespace $name }}
{{- if $found }}
{{- toYaml $found.data }}
{{- else if .Release.IsUpgrade }}
{{- fail (printf "\n\npds.config.secrets.generate: the Secret %s is not in the namespace %s. New secrets would lock the server out of its accounts' keys. Restore that Secret, or name the one in use in pds.config.secrets.existingSecret.\n" $name .Release.Namespace) }}
{{- else }}
adminPassword: {{ printf "%x" (randBytes 16 | b64dec) | b64enc | quote }}
jwtSecret: {{ printf "%x" (randBytes 16 | b64dec) | b64enc | quote }}
plcRotationKey: {{ printf "%x" (randBytes 32 | b64dec) | b64enc | quote }}
{{- end }}
{{- end }}
