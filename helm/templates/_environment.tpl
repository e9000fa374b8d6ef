{{/* The server's environment as a YAML list: what the chart sets, then extraEnv, which replaces by name. */}}
{{- define "bluesky-pds.environment" -}}
{{- $given := dict }}
{{- range .Values.extraEnv }}
{{- $_ := set $given .name . }}
{{- end }}
{{- $all := list }}
{{- range include "bluesky-pds.chartEnvironment" . | fromYamlArray }}
{{- if not (hasKey $given .name) }}
{{- $all = append $all . }}
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range .Values.extraEnv }}
{{- if not (hasKey $seen .name) }}
{{- $all = append $all (get $given .name) }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{/* A name and its value; nothing for an empty one: (list "NAME" value). */}}
{{- define "bluesky-pds.variable" -}}
{{- if not (or (kindIs "invalid" (last .)) (eq (toString (last .)) "")) }}
- name: {{ first . }}
  value: {{ last . | toString | quote }}
{{- end }}
{{- end }}

{{/* A name and its value; an empty one tells the server that this part is switched off on purpose. */}}
{{- define "bluesky-pds.variableOrNothing" -}}
- name: {{ first . }}
  value: {{ last . | default "" | quote }}
{{- end }}

{{- define "bluesky-pds.chartEnvironment" -}}
{{- $config := .Values.pds.config }}
{{- $s3 := .Values.pds.s3 }}
{{- include "bluesky-pds.variable" (list "PDS_HOSTNAME" $config.hostname) }}
{{- include "bluesky-pds.variable" (list "PDS_PORT" "3000") }}
{{- if .Values.metrics.enabled }}
{{- include "bluesky-pds.variable" (list "PDS_METRICS_PORT" .Values.metrics.port) }}
{{- end }}
{{- include "bluesky-pds.variable" (list "PDS_DATA_DIRECTORY" $config.dataDir) }}
{{- range $name, $key := dict "PDS_ADMIN_PASSWORD" "adminPassword" "PDS_JWT_SECRET" "jwtSecret" "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX" "plcRotationKey" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "bluesky-pds.secretName" $ }}
      key: {{ include "bluesky-pds.secretKey" (dict "root" $ "key" $key) }}
{{- end }}
{{- $mail := ternary (list "PDS_EMAIL_SMTP_PASSWORD" "emailSmtpPassword") (list "PDS_EMAIL_SMTP_URL" "emailSmtpUrl") (not (empty $config.smtp.host)) }}
- name: {{ first $mail }}
  valueFrom:
    secretKeyRef:
      name: {{ include "bluesky-pds.mailSecretName" . }}
      key: {{ include "bluesky-pds.secretKey" (dict "root" . "key" (last $mail)) }}
      optional: true
{{- include "bluesky-pds.variable" (list "PDS_EMAIL_SMTP_HOST" $config.smtp.host) }}
{{- include "bluesky-pds.variable" (list "PDS_EMAIL_SMTP_PORT" (default "" $config.smtp.port)) }}
{{- include "bluesky-pds.variable" (list "PDS_EMAIL_SMTP_USER" $config.smtp.user) }}
{{- include "bluesky-pds.variable" (list "PDS_EMAIL_SMTP_TLS" $config.smtp.tls) }}
{{- include "bluesky-pds.variable" (list "PDS_EMAIL_FROM_ADDRESS" (default (printf "noreply@%s" $config.hostname) $config.pdsEmailFromAddress)) }}
{{- include "bluesky-pds.variable" (list "PDS_SERVICE_HANDLE_DOMAINS" (join "," $config.serviceHandleDomains)) }}
{{- include "bluesky-pds.variable" (list "PDS_INVITE_REQUIRED" $config.inviteRequired) }}
{{- include "bluesky-pds.variable" (list "PDS_BLOB_UPLOAD_LIMIT" (int64 $config.blobUploadLimit)) }}
{{- if $s3.bucket }}
{{- include "bluesky-pds.variable" (list "PDS_BLOBSTORE_S3_BUCKET" $s3.bucket) }}
{{- include "bluesky-pds.variable" (list "PDS_BLOBSTORE_S3_REGION" $s3.region) }}
{{- include "bluesky-pds.variable" (list "PDS_BLOBSTORE_S3_ENDPOINT" $s3.endpoint) }}
{{- include "bluesky-pds.variable" (list "PDS_BLOBSTORE_S3_FORCE_PATH_STYLE" $s3.forcePathStyle) }}
{{- if $s3.existingSecret }}
{{- range $name, $key := dict "PDS_BLOBSTORE_S3_ACCESS_KEY_ID" $s3.accessKeyIdKey "PDS_BLOBSTORE_S3_SECRET_ACCESS_KEY" $s3.secretAccessKeyKey }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $s3.existingSecret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- else }}
{{- include "bluesky-pds.variable" (list "PDS_BLOBSTORE_DISK_LOCATION" $config.blobstoreLocation) }}
{{- end }}
{{- include "bluesky-pds.variable" (list "PDS_DID_PLC_URL" $config.didPlcUrl) }}
{{ include "bluesky-pds.variableOrNothing" (list "PDS_BSKY_APP_VIEW_URL" $config.bskyAppViewUrl) }}
{{- include "bluesky-pds.variable" (list "PDS_BSKY_APP_VIEW_DID" $config.bskyAppViewDid) }}
{{ include "bluesky-pds.variableOrNothing" (list "PDS_REPORT_SERVICE_URL" $config.reportSvcUrl) }}
{{- include "bluesky-pds.variable" (list "PDS_REPORT_SERVICE_DID" $config.reportSvcDid) }}
{{ include "bluesky-pds.variableOrNothing" (list "PDS_CRAWLERS" $config.crawlers) }}
{{- include "bluesky-pds.variable" (list "LOG_ENABLED" $config.logEnabled) }}
{{- include "bluesky-pds.variable" (list "LOG_LEVEL" $config.logLevel) }}
{{- end }}
