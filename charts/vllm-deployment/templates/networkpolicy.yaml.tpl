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
  policyTypes:
    - Ingress
    {{- if .Values.networkPolicy.egress.enabled }}
    - Egress
    {{- end }}
  ingress:
    - from:
        {{- range concat (list .Values.networkPolicy.router .Values.networkPolicy.prometheus) (.Values.networkPolicy.clients | default list) }}
        {{- include "vllm-deployment.peer" . | nindent 8 }}
        {{- end }}
        {{- /* `helm test`. */}}
        - podSelector:
            matchLabels:
              {{- include "vllm-deployment.helperLabels" (list . "test") | nindent 14 }}
        {{- /* A health check, also another release's. */}}
        - podSelector:
            matchLabels:
              {{- omit (include "vllm-deployment.helperLabels" (list . "health") | fromYaml) "app.kubernetes.io/part-of" | toYaml | nindent 14 }}
      ports:
        - port: http
          protocol: TCP
    {{- with include "vllm-deployment.groupPeers" (list . "from") | trim }}
    {{- . | nindent 4 }}
    {{- end }}
  {{- if .Values.networkPolicy.egress.enabled }}
  egress:
    {{- include "vllm-deployment.egress" . | trim | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "vllm-deployment.egress" -}}
{{- with .Values.networkPolicy.egress.dns }}
- to:
    {{- include "vllm-deployment.peer" . | nindent 4 }}
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- end }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}
{{- if include "vllm-deployment.needsInternet" . }}
{{- with .Values.networkPolicy.egress.internet }}
{{- if .cidrs }}
- to:
    {{- $except := .except }}
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
        {{- with include "vllm-deployment.except" (list . $except) | trim }}
        {{- . | nindent 8 }}
        {{- end }}
    {{- end }}
  ports:
    - port: 443
      protocol: TCP
{{- end }}
{{- end }}
{{- end }}
{{- include "vllm-deployment.groupPeers" (list . "to") }}
{{- with .Values.networkPolicy.egress.rules }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Kubernetes refuses an exception of the other family, and takes one only within its block: so whole blocks alone. */ -}}
{{- define "vllm-deployment.except" -}}
{{- $cidr := first . -}}
{{- $except := list -}}
{{- range last . -}}
{{- if and (hasSuffix "/0" $cidr) (eq (contains ":" .) (contains ":" $cidr)) -}}
{{- $except = append $except . -}}
{{- end -}}
{{- end -}}
{{- with $except }}
except:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The pods of a LeaderWorkerSet talk to each other on ports that they choose. */ -}}
{{- define "vllm-deployment.groupPeers" -}}
{{- if (first .).Values.leaderWorkerSet.enabled }}
- {{ last . }}:
    - podSelector:
        matchLabels:
          {{- include "vllm-deployment.selectorLabels" (first .) | nindent 10 }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.peer" -}}
- namespaceSelector:
    {{- include "vllm-deployment.labelSelector" .namespaceLabels | nindent 4 }}
  podSelector:
    {{- include "vllm-deployment.labelSelector" .podLabels | nindent 4 }}
{{- end -}}

{{- define "vllm-deployment.labelSelector" -}}
{{- if . -}}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- else -}}
{}
{{- end -}}
{{- end -}}
