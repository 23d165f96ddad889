{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

docs/monitoring.md says of each alert what it means and what to do.
*/ -}}
{{- $api := "monitoring.coreos.com/v1" }}
{{- with .Values.prometheus.rules }}
{{- /* They look at labels that only a monitor gives: without one, VllmDown would fire for ever. */}}
{{- $monitored := or $.Values.prometheus.serviceMonitor.enabled $.Values.prometheus.podMonitor.enabled }}
{{- if and .enabled $monitored ($.Capabilities.APIVersions.Has (printf "%s/PrometheusRule" $api)) }}
apiVersion: {{ $api }}
kind: PrometheusRule
metadata:
  name: {{ include "vllm-deployment.fullname" $ }}
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    {{- merge (include "vllm-deployment.labels" $ | fromYaml) .labels | toYaml | nindent 4 }}
spec:
  groups:
    - name: {{ include "vllm-deployment.fullname" $ }}.indicators
      rules:
        {{- include "vllm-deployment.indicators" $ | trim | nindent 8 }}
        {{- include "vllm-deployment.burnRates" $ | trim | nindent 8 }}
    - name: {{ include "vllm-deployment.fullname" $ }}.alerts
      rules:
        {{- include "vllm-deployment.servingAlerts" $ | trim | nindent 8 }}
        {{- include "vllm-deployment.modelAlerts" $ | trim | nindent 8 }}
        {{- include "vllm-deployment.burnAlerts" $ | trim | nindent 8 }}
{{- end }}
{{- end }}
