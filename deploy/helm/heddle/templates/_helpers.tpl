{{- define "heddle.labels" -}}
app.kubernetes.io/part-of: heddle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .stage }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "heddle.selector" -}}
app.kubernetes.io/part-of: heddle
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .stage }}
{{- end }}

{{- define "heddle.name" -}}
{{ .root.Release.Name }}-{{ .stage }}
{{- end }}

{{- define "heddle.group" -}}
{{ with .root.Values.prefix }}{{ . }}.{{ end }}heddle.{{ .stage }}
{{- end }}

{{/* Whether record lives in the ledger's pod: the embedded ledger answers on its own loopback. */}}
{{- define "heddle.embedded" -}}
{{ if not .Values.ledger.url }}yes{{ end }}
{{- end }}

{{- define "heddle.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "heddle.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Settings of a stage; what it does not need it is not told. */}}
{{- define "heddle.env" -}}
{{- $v := .root.Values -}}
{{- $needs := .config.needs | default list -}}
- {name: HEDDLE_PREFIX, value: {{ $v.prefix | quote }}}
- {name: HEDDLE_PARTITIONS, value: {{ $v.partitions | quote }}}
- {name: HEDDLE_DRAIN_MS, value: {{ mul (.config.drainSeconds | default $v.drainSeconds) 1000 | quote }}}
- name: HEDDLE_WORKER
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- with $v.schema.registryUrl }}
- {name: HEDDLE_SCHEMA_REGISTRY_URL, value: {{ . | quote }}}
{{- end }}
{{- if has "kafka" $needs }}
- {name: HEDDLE_BOOTSTRAP, value: {{ required "kafka.bootstrap is needed" $v.kafka.bootstrap | quote }}}
- {name: HEDDLE_GROUP_PROTOCOL, value: {{ $v.groupProtocol | quote }}}
- {name: HEDDLE_KAFKA_SECURITY_PROTOCOL, value: {{ $v.kafka.securityProtocol | quote }}}
{{- if hasPrefix "SASL" $v.kafka.securityProtocol }}
- {name: HEDDLE_KAFKA_SASL_MECHANISM, value: {{ $v.kafka.saslMechanism | quote }}}
- name: HEDDLE_KAFKA_SASL_USERNAME
  valueFrom: {secretKeyRef: {name: {{ include "heddle.credentials" . }}, key: username}}
- {name: HEDDLE_KAFKA_SASL_PASSWORD_FILE, value: /secrets/kafka/password}
{{- end }}
{{- if and $v.kafka.caSecret (hasSuffix "SSL" $v.kafka.securityProtocol) }}
- {name: HEDDLE_KAFKA_SSL_CA_LOCATION, value: /secrets/kafka-ca/ca.crt}
{{- end }}
{{- if $v.kafka.clientCertificateSecret }}
- {name: HEDDLE_KAFKA_SSL_CERTIFICATE_LOCATION, value: /secrets/kafka-certificate/tls.crt}
- {name: HEDDLE_KAFKA_SSL_KEY_LOCATION, value: /secrets/kafka-certificate/tls.key}
{{- end }}
{{- end }}
{{- if has "shelf" $needs }}
- {name: HEDDLE_ASSETS, value: {{ required "shelf.url is needed" $v.shelf.url | quote }}}
- {name: HEDDLE_ASSETS_ENCRYPTION, value: {{ $v.shelf.encryption | quote }}}
- {name: HEDDLE_ASSETS_KMS_KEY, value: {{ $v.shelf.kmsKey | quote }}}
- name: HEDDLE_ASSETS_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $v.shelf.secret | quote }}, key: access-key}}
- {name: HEDDLE_ASSETS_SECRET_KEY_FILE, value: /secrets/shelf/secret-key}
{{- end }}
{{- if has "ledger" $needs }}
- {name: HEDDLE_LEDGER_URL, value: {{ $v.ledger.url | default "http://127.0.0.1:8123" | quote }}}
{{- if and $v.ledger.url $v.ledger.cluster }}
- {name: HEDDLE_LEDGER_CLUSTER, value: {{ $v.ledger.cluster | quote }}}
{{- end }}
- {name: HEDDLE_LEDGER_WRITER_PASSWORD_FILE, value: /secrets/ledger/writer}
{{- end }}
{{- range $name, $value := merge (dict) (.config.env | default dict) $v.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "heddle.credentials" -}}
{{ .root.Values.kafka.credentialsSecret | replace "{stage}" .stage }}
{{- end }}

{{- define "heddle.mounts" -}}
{{- $v := .root.Values -}}
{{- $needs := .config.needs | default list -}}
- {name: tmp, mountPath: /tmp}
{{- if has "kafka" $needs }}
{{- if hasPrefix "SASL" $v.kafka.securityProtocol }}
- {name: kafka-{{ .stage }}, mountPath: /secrets/kafka, readOnly: true}
{{- end }}
{{- if and $v.kafka.caSecret (hasSuffix "SSL" $v.kafka.securityProtocol) }}
- {name: kafka-ca, mountPath: /secrets/kafka-ca, readOnly: true}
{{- end }}
{{- if $v.kafka.clientCertificateSecret }}
- {name: kafka-certificate, mountPath: /secrets/kafka-certificate, readOnly: true}
{{- end }}
{{- end }}
{{- if has "shelf" $needs }}
- {name: shelf, mountPath: /secrets/shelf, readOnly: true}
{{- end }}
{{- if has "ledger" $needs }}
- {name: ledger-passwords, mountPath: /secrets/ledger, readOnly: true}
{{- end }}
{{- end }}

{{- define "heddle.volumes" -}}
{{- $v := .root.Values -}}
{{- $needs := .config.needs | default list -}}
- {name: tmp, emptyDir: {medium: Memory, sizeLimit: 512Mi}}
{{- if has "kafka" $needs }}
{{- if hasPrefix "SASL" $v.kafka.securityProtocol }}
- {name: kafka-{{ .stage }}, secret: {secretName: {{ include "heddle.credentials" . }}}}
{{- end }}
{{- if and $v.kafka.caSecret (hasSuffix "SSL" $v.kafka.securityProtocol) }}
- {name: kafka-ca, secret: {secretName: {{ $v.kafka.caSecret | quote }}}}
{{- end }}
{{- if $v.kafka.clientCertificateSecret }}
- {name: kafka-certificate, secret: {secretName: {{ $v.kafka.clientCertificateSecret | replace "{stage}" .stage | quote }}, defaultMode: 288}}
{{- end }}
{{- end }}
{{- if has "shelf" $needs }}
- {name: shelf, secret: {secretName: {{ $v.shelf.secret | quote }}}}
{{- end }}
{{- if has "ledger" $needs }}
- {name: ledger-passwords, secret: {secretName: {{ $v.ledger.secret | quote }}}}
{{- end }}
{{- end }}

{{/* One stage as a container. */}}
{{- define "heddle.container" -}}
name: {{ .stage }}
image: {{ .root.Values.image.registry }}/{{ .config.image }}:{{ .root.Values.image.tag }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [run, {{ .stage }}]
env:
  {{- include "heddle.env" . | nindent 2 }}
ports:
  - {name: ops, containerPort: 9100}
startupProbe:
  httpGet: {path: /livez, port: ops}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: ops}
  periodSeconds: 15
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: 5
  timeoutSeconds: 5
securityContext:
  {{- include "heddle.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .config.resources | nindent 2 }}
volumeMounts:
  {{- include "heddle.mounts" . | nindent 2 }}
{{- end }}
