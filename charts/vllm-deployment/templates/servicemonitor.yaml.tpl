{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- with .Values.prometheus.serviceMonitor }}
{{- include "vllm-deployment.monitor" (dict "root" $ "monitor" . "kind" "ServiceMonitor" "endpoints" "endpoints") }}
{{- end }}
