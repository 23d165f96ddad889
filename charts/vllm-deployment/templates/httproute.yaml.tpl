{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- if include "vllm-deployment.hasHttpRoute" . }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  parentRefs:
    {{- toYaml .Values.httpRoute.parentRefs | nindent 4 }}
  {{- with .Values.httpRoute.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: {{ .Values.httpRoute.path | quote }}
      {{- with .Values.httpRoute.requestTimeout }}
      timeouts:
        request: {{ . | quote }}
      {{- end }}
      backendRefs:
        {{- if include "vllm-deployment.hasInferencePool" . }}
        - group: inference.networking.k8s.io
          kind: InferencePool
          name: {{ include "vllm-deployment.fullname" . }}
        {{- else }}
        - name: {{ include "vllm-deployment.fullname" . }}
          port: {{ .Values.service.port | int64 }}
        {{- end }}
{{- end }}

{{- define "vllm-deployment.hasHttpRoute" -}}
{{- if and .Values.httpRoute.enabled (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1/HTTPRoute") -}}true{{- end -}}
{{- end -}}
