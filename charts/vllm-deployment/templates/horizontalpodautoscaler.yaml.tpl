{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- if .Values.autoscaling.hpa.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- include "vllm-deployment.scaleTarget" . | nindent 4 }}
  minReplicas: {{ .Values.autoscaling.minReplicas | int64 }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas | int64 }}
  metrics:
    {{- with .Values.autoscaling }}
    - type: Pods
      pods:
        metric:
          name: {{ .hpa.requestsWaitingMetric | quote }}
        target:
          type: AverageValue
          averageValue: {{ .requestsWaiting | int64 | quote }}
    - type: Pods
      pods:
        metric:
          name: {{ .hpa.kvCacheUsageMetric | quote }}
        target:
          type: AverageValue
          averageValue: {{ printf "%dm" (round (mulf .kvCacheUsage 1000) 0 | int64) }}
    {{- end }}
  behavior:
    {{- include "vllm-deployment.scalingBehavior" . | nindent 4 }}
{{- end }}
