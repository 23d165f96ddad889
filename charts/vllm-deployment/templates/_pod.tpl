{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- /* Takes the chart's context with `role`: `server`, or in a LeaderWorkerSet `leader` or `worker`. */ -}}
{{- define "vllm-deployment.podTemplate" -}}
metadata:
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- merge (include "vllm-deployment.selectorLabels" . | fromYaml) .Values.podLabels | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "vllm-deployment.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  {{- /* A Service called `vllm` would set VLLM_PORT to `tcp://…`, at which vLLM stops. */}}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "vllm-deployment.gracePeriod" . }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "vllm-deployment.scheduling" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- if .Values.model.download.enabled }}
  initContainers:
    {{- include "vllm-deployment.modelGuard" . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "vllm-deployment.container" . | indent 6 | trim }}
  volumes:
    {{- include "vllm-deployment.volumes" . | nindent 4 }}
{{- end -}}
