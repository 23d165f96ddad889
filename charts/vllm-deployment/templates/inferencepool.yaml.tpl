{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- if include "vllm-deployment.hasInferencePool" . }}
apiVersion: inference.networking.k8s.io/v1
kind: InferencePool
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "vllm-deployment.serverLabels" . | nindent 6 }}
  targetPorts:
    - number: 8000
  endpointPickerRef:
    {{- with .Values.inferencePool.endpointPicker }}
    name: {{ .name | quote }}
    port:
      number: {{ .port | int64 }}
    failureMode: {{ .failureMode }}
    {{- end }}
{{- end }}

{{- define "vllm-deployment.hasInferencePool" -}}
{{- if and .Values.inferencePool.enabled (.Capabilities.APIVersions.Has "inference.networking.k8s.io/v1/InferencePool") -}}true{{- end -}}
{{- end -}}
