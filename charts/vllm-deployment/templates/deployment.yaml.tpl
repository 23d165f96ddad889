{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- include "vllm-deployment.checks" . -}}
{{- if not .Values.leaderWorkerSet.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "vllm-deployment.workloadMetadata" . | nindent 2 }}
spec:
  {{- /* An autoscaler owns the number: each upgrade would set it back, and Helm 4 would refuse to. */}}
  {{- if not (include "vllm-deployment.isAutoscaled" .) }}
  replicas: {{ .Values.replicas | int64 }}
  {{- end }}
  progressDeadlineSeconds: {{ include "vllm-deployment.progressDeadline" . }}
  strategy:
    {{- include "vllm-deployment.strategy" . | nindent 4 }}
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" . | nindent 6 }}
  template:
    {{- include "vllm-deployment.podTemplate" (merge (dict "role" "server") .) | nindent 4 }}
{{- end }}

{{- /* Recreate would end all the replicas that an autoscaler has added; one at a time is the same for a single one. */ -}}
{{- define "vllm-deployment.strategy" -}}
{{- $surge := or .Values.strategy.surge (not .Values.gpu.count) -}}
{{- if or $surge (include "vllm-deployment.isAutoscaled" .) (gt (.Values.replicas | int64) 1) -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: {{ ternary 1 0 $surge }}
  maxUnavailable: {{ ternary 0 1 $surge }}
{{- else -}}
type: Recreate
{{- end -}}
{{- end -}}

{{- /* Kueue reads its labels from the workload, and gives them to the pods. */ -}}
{{- define "vllm-deployment.workloadMetadata" -}}
name: {{ include "vllm-deployment.fullname" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "vllm-deployment.labels" . | nindent 2 }}
  {{- with .Values.kueue.queueName }}
  kueue.x-k8s.io/queue-name: {{ . | quote }}
  {{- end }}
  {{- with .Values.kueue.priorityClass }}
  kueue.x-k8s.io/priority-class: {{ . | quote }}
  {{- end }}
{{- with .Values.deployId }}
annotations:
  ai-aas.inference/deploy-id: {{ . | quote }}
{{- end }}
{{- end -}}
