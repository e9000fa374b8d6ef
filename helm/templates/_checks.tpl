{{/* What a schema cannot say. Each message names the value and what to do. */}}
{{- define "bluesky-pds.checks" -}}
{{- $config := .Values.pds.config }}
{{- $storage := .Values.pds.dataStorage }}
{{- if contains "bluesky-social/pds" .Values.image.repository }}
{{- fail "\n\nimage.repository: this chart runs the server `pds`, not the reference server. Remove image.repository and image.tag, or name your copy of our image.\n" }}
{{- end }}
{{- range $key, $directory := dict "dataDir" $config.dataDir "blobstoreLocation" $config.blobstoreLocation }}
{{- if not (hasPrefix (printf "%s/" (trimSuffix "/" $storage.mountPath)) (printf "%s/" $directory)) }}
{{- fail (printf "\n\npds.config.%s: %s is not on the disk, which is mounted at pds.dataStorage.mountPath (%s): everything would be lost with the pod.\n" $key $directory $storage.mountPath) }}
{{- end }}
{{- end }}
{{- if not $storage.allowNetworkFileSystem }}
{{- if regexMatch "^(csi-(obs|nas|sfs)|sfs|nfs|efs|azurefile|cephfs|glusterfs|s3)" (default "" $storage.storageClass) }}
{{- fail (printf "\n\npds.dataStorage.storageClass: %s is a network file system, on which SQLite loses data. Use a block device: on CCE csi-disk-topology or csi-disk.\n" $storage.storageClass) }}
{{- end }}
{{- range $storage.accessModes }}
{{- if has . (list "ReadWriteMany" "ReadOnlyMany") }}
{{- fail (printf "\n\npds.dataStorage.accessModes: %s asks for a file system that several nodes share, on which SQLite loses data. Use ReadWriteOnce.\n" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (eq (default "" .Values.ingress.className) "cce") (not .Values.ingress.elb.id) (not .Values.ingress.elb.autocreate) }}
{{- if not (or (hasKey .Values.ingress.annotations "kubernetes.io/elb.id") (hasKey .Values.ingress.annotations "kubernetes.io/elb.autocreate")) }}
{{- fail "\n\ningress.elb: the class cce needs a load balancer: set ingress.elb.id to one that exists, or ingress.elb.autocreate to make one.\n" }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled .Values.ingress.hosts }}
{{- $hosts := list }}
{{- range .Values.ingress.hosts }}{{ $hosts = append $hosts .host }}{{ end }}
{{- if not (or (has $config.hostname $hosts) (has (regexReplaceAll "^[^.]+" $config.hostname "*") $hosts)) }}
{{- fail (printf "\n\ningress.hosts: pds.config.hostname (%s) is not among %s. Leave ingress.hosts and ingress.tls empty, with ingress.tlsSecretName, to have the hosts made of the host name.\n" $config.hostname (join ", " $hosts)) }}
{{- end }}
{{- end }}
{{- $instead := dict "PDS_HOSTNAME" "pds.config.hostname" "PDS_PORT" "service.port (the container's own port is 3000)" "PDS_METRICS_PORT" "metrics.port" "PDS_DATA_DIRECTORY" "pds.config.dataDir" "PDS_BLOBSTORE_DISK_LOCATION" "pds.config.blobstoreLocation" }}
{{- range .Values.extraEnv }}
{{- if hasKey $instead .name }}
{{- fail (printf "\n\nextraEnv: other objects of this chart depend on %s. Set %s instead.\n" .name (get $instead .name)) }}
{{- end }}
{{- end }}
{{- if and .Values.pds.s3.bucket (not .Values.pds.s3.existingSecret) (not .Values.extraEnvFrom) (not (contains "PDS_BLOBSTORE_S3_ACCESS_KEY_ID" (toJson .Values.extraEnv))) }}
{{- fail "\n\npds.s3.existingSecret: name the Secret with the keys of the bucket, accessKeyId and secretAccessKey.\n" }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
{{- fail "\n\nhttpRoute.parentRefs: name the Gateway, such as [{name: web, namespace: gateways}].\n" }}
{{- end }}
{{- end }}
