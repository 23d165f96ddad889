{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- /* For one replica it would forbid every drain of its node, for ever. */}}
{{- /* Nor beside a LeaderWorkerSet: the end of any of a group's pods ends its group. */}}
{{- $least := ternary .Values.autoscaling.minReplicas .Values.replicas (eq (include "vllm-deployment.isAutoscaled" .) "true") }}
{{- if and (gt ($least | int64) 1) (not .Values.leaderWorkerSet.enabled) }}
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
