{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- include "vllm-deployment.checks" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
  {{- with .Values.deployId }}
  annotations:
    ai-aas.inference/deploy-id: {{ . | quote }}
  {{- end }}
spec:
  replicas: {{ .Values.replicas | int64 }}
  progressDeadlineSeconds: {{ include "vllm-deployment.progressDeadline" . }}
  strategy:
    {{- include "vllm-deployment.strategy" . | nindent 4 }}
  selector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" . | nindent 6 }}
  template:
    {{- include "vllm-deployment.podTemplate" . | nindent 4 }}

{{- define "vllm-deployment.strategy" -}}
{{- $surge := or .Values.strategy.surge (not .Values.gpu.count) -}}
{{- if or $surge (gt (.Values.replicas | int64) 1) -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: {{ ternary 1 0 $surge }}
  maxUnavailable: {{ ternary 0 1 $surge }}
{{- else -}}
type: Recreate
{{- end -}}
{{- end -}}
