{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- if .Values.networkPolicy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "vllm-deployment.fullname" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "vllm-deployment.selectorLabels" . | nindent 6 }}
  policyTypes: ["Ingress"]
  ingress:
    - from:
        {{- range list .Values.networkPolicy.router .Values.networkPolicy.prometheus }}
        - namespaceSelector:
            {{- include "vllm-deployment.labelSelector" .namespaceLabels | nindent 12 }}
          podSelector:
            {{- include "vllm-deployment.labelSelector" .podLabels | nindent 12 }}
        {{- end }}
      ports:
        - port: http
          protocol: TCP
{{- end }}

{{- define "vllm-deployment.labelSelector" -}}
{{- if . -}}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- else -}}
{}
{{- end -}}
{{- end -}}
