{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- /* For one replica it would forbid every drain of its node, for ever. */}}
{{- if gt (.Values.replicas | int64) 1 }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  {{- /* A pod that never became ready must not hold up a drain. */}}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" . | nindent 6 }}
{{- end }}
