{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- define "vllm-deployment.isAutoscaled" -}}
{{- if or .Values.autoscaling.hpa.enabled .Values.autoscaling.keda.enabled -}}true{{- end -}}
{{- end -}}

{{- define "vllm-deployment.scaleTarget" -}}
apiVersion: apps/v1
kind: Deployment
name: {{ include "vllm-deployment.fullname" . }}
{{- end -}}

{{- /* One at a time: a pod that loads its model answers nothing yet, and the queue goes on growing meanwhile. */ -}}
{{- define "vllm-deployment.scalingBehavior" -}}
scaleUp:
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ .Values.autoscaling.stepSeconds | int64 }}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.scaleDownSeconds | int64 }}
  policies:
    - type: Pods
      value: 1
      periodSeconds: {{ .Values.autoscaling.stepSeconds | int64 }}
{{- end -}}
