{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- $api := "monitoring.coreos.com/v1" }}
{{- with .Values.prometheus.serviceMonitor }}
{{- if and .enabled ($.Capabilities.APIVersions.Has (printf "%s/ServiceMonitor" $api)) }}
apiVersion: {{ $api }}
kind: ServiceMonitor
metadata:
  name: {{ include "vllm-deployment.fullname" $ }}
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    {{- merge (include "vllm-deployment.labels" $ | fromYaml) .labels | toYaml | nindent 4 }}
spec:
  endpoints:
    - {{ include "vllm-deployment.scrape" (dict "root" $ "monitor" .) | indent 6 | trim }}
  namespaceSelector:
    matchNames:
      - {{ $.Release.Namespace | quote }}
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end }}
