{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- $api := "monitoring.coreos.com/v1" }}
{{- with .Values.prometheus.podMonitor }}
{{- if and .enabled $.Values.prometheus.serviceMonitor.enabled }}
{{- fail "prometheus: a ServiceMonitor and a PodMonitor would read every metric twice: set serviceMonitor.enabled or podMonitor.enabled to false" }}
{{- end }}
{{- if and .enabled ($.Capabilities.APIVersions.Has (printf "%s/PodMonitor" $api)) }}
apiVersion: {{ $api }}
kind: PodMonitor
metadata:
  name: {{ include "vllm-deployment.fullname" $ }}
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    {{- merge (include "vllm-deployment.labels" $ | fromYaml) .labels | toYaml | nindent 4 }}
spec:
  podMetricsEndpoints:
    - {{ include "vllm-deployment.scrape" (dict "root" $ "monitor" .) | indent 6 | trim }}
  namespaceSelector:
    matchNames:
      - {{ $.Release.Namespace | quote }}
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
