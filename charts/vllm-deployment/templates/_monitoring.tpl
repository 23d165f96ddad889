{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

What the monitors and the rules share.
*/ -}}

{{- /* What tells one release's series from another's: labels of its targets, and of its recorded series and alerts. */ -}}
{{- define "vllm-deployment.identity" -}}
namespace: {{ .Release.Namespace | quote }}
release: {{ .Release.Name | quote }}
model: {{ first .Values.model.servedNames | quote }}
{{- with .Values.prometheus.environment }}
environment: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.scrape" -}}
port: http
path: /metrics
interval: {{ .monitor.interval }}
relabelings:
  {{- range $label, $value := include "vllm-deployment.identity" .root | fromYaml }}
  - targetLabel: {{ $label }}
    replacement: {{ $value | quote }}
  {{- end }}
{{- end -}}

{{- /* A ServiceMonitor or a PodMonitor: alike but for the kind, and for the key that its endpoints stand under. */ -}}
{{- define "vllm-deployment.monitor" -}}
{{- $api := "monitoring.coreos.com/v1" }}
{{- if and .monitor.enabled (.root.Capabilities.APIVersions.Has (printf "%s/%s" $api .kind)) }}
apiVersion: {{ $api }}
kind: {{ .kind }}
metadata:
  name: {{ include "vllm-deployment.fullname" .root }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- merge (include "vllm-deployment.labels" .root | fromYaml) .monitor.labels | toYaml | nindent 4 }}
spec:
  {{ .endpoints }}:
    - {{ include "vllm-deployment.scrape" . | indent 6 | trim }}
  namespaceSelector:
    matchNames:
      - {{ .root.Release.Namespace | quote }}
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" .root | nindent 6 }}
{{- end }}
{{- end -}}

{{- /* The selector that all expressions on this release's series share. */ -}}
{{- define "vllm-deployment.series" -}}
namespace={{ .Release.Namespace | quote }},release={{ .Release.Name | quote }}
{{- end -}}

{{- /* The selector of what the collection's own runs write. */ -}}
{{- define "vllm-deployment.modelSeries" -}}
model={{ first .Values.model.servedNames | quote }}
{{- with .Values.prometheus.environment }},environment={{ . | quote }}{{ end -}}
{{- end -}}

{{- /* Engines that had requests at every scrape of the window and made no token. */ -}}
{{- define "vllm-deployment.stalled" -}}
{{- $series := include "vllm-deployment.series" . -}}
{{- $window := .Values.prometheus.rules.window -}}
(
  min_over_time(vllm:num_requests_running{ {{- $series -}} }[{{ $window }}])
    + min_over_time(vllm:num_requests_waiting{ {{- $series -}} }[{{ $window }}])
    > 0
)
  and increase(vllm:generation_tokens_total{ {{- $series -}} }[{{ $window }}]) == 0
{{- end -}}

{{- /* The 95th percentile of a histogram of this release. */ -}}
{{- define "vllm-deployment.p95" -}}
{{- $series := include "vllm-deployment.series" .root -}}
histogram_quantile(0.95, sum by (le) (rate({{ .metric }}_bucket{ {{- $series -}} }[{{ .root.Values.prometheus.rules.window }}])))
{{- end -}}

{{- /* The share of requests above a bound. vLLM writes whole bounds as `5.0`. */ -}}
{{- define "vllm-deployment.slowShare" -}}
{{- $series := include "vllm-deployment.series" .root -}}
{{- $bound := toString .threshold -}}
{{- if not (contains "." $bound) -}}{{- $bound = printf "%s.0" $bound -}}{{- end -}}
1 - (
  sum(rate({{ .metric }}_bucket{ {{- $series -}} ,le={{ $bound | quote }}}[{{ .window }}]))
    / sum(rate({{ .metric }}_count{ {{- $series -}} }[{{ .window }}]))
)
{{- end -}}

{{- define "vllm-deployment.alert" -}}
alert: {{ .name }}
expr: |-
  {{- .expression | nindent 2 }}
{{- with .rule.for }}
for: {{ . }}
{{- end }}
labels:
  severity: {{ .rule.severity }}
  {{- include "vllm-deployment.identity" .root | nindent 2 }}
annotations:
  summary: {{ .summary | quote }}
  description: {{ .description | quote }}
  {{- with .root.Values.prometheus.rules.runbookUrl }}
  runbook_url: {{ printf "%s#%s" . (lower $.name) | quote }}
  {{- end }}
{{- end -}}
