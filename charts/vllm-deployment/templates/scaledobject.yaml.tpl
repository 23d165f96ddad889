{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- if .Values.autoscaling.keda.enabled }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    {{- include "vllm-deployment.scaleTarget" . | nindent 4 }}
  pollingInterval: {{ .Values.autoscaling.keda.pollingSeconds | int64 }}
  minReplicaCount: {{ .Values.autoscaling.minReplicas | int64 }}
  maxReplicaCount: {{ .Values.autoscaling.maxReplicas | int64 }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- include "vllm-deployment.scalingBehavior" . | nindent 8 }}
  triggers:
    {{- /* The sum over all pods, which the autoscaler divides by their number: the same targets as the HPA's. */}}
    {{- with .Values.autoscaling }}
    {{- $pods := printf "namespace=%q,pod=~\"%s-[a-z0-9]+-[a-z0-9]{5}\"" $.Release.Namespace (include "vllm-deployment.fullname" $) }}
    {{- range $metric, $target := dict "vllm:num_requests_waiting" (.requestsWaiting | int64) "vllm:kv_cache_usage_perc" .kvCacheUsage }}
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ $.Values.autoscaling.keda.prometheusAddress | quote }}
        query: {{ printf "sum(%s{%s})" $metric $pods | quote }}
        threshold: {{ $target | quote }}
      {{- with $.Values.autoscaling.keda.authenticationRef }}
      authenticationRef:
        name: {{ . | quote }}
      {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
