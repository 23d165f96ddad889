{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- with .Values.prometheus.dashboards }}
{{- if .enabled }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "vllm-deployment.fullname" $ }}-dashboards
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    {{- merge (include "vllm-deployment.labels" $ | fromYaml) .labels | toYaml | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  {{- range $path, $content := $.Files.Glob "files/dashboards/*.json" }}
  {{ base $path }}: |-
    {{- $content | toString | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
