{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- with .Values.prometheus.podMonitor }}
{{- if and .enabled $.Values.prometheus.serviceMonitor.enabled }}
{{- fail "prometheus: a ServiceMonitor and a PodMonitor would read every metric twice: set serviceMonitor.enabled or podMonitor.enabled to false" }}
{{- end }}
{{- include "vllm-deployment.monitor" (dict "root" $ "monitor" . "kind" "PodMonitor" "endpoints" "podMetricsEndpoints") }}
{{- end }}
