{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- define "vllm-deployment.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- with .Values.gpu -}}
{{- if .claims -}}
{{- $claims := list -}}
{{- range .claims -}}
{{- $claims = append $claims (dict "name" .name) -}}
{{- end -}}
{{- $resources = set $resources "claims" $claims -}}
{{- else if .count -}}
{{- $gpus := dict .resourceName (.count | int64) -}}
{{- $resources = mergeOverwrite $resources (dict "requests" $gpus "limits" (deepCopy $gpus)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "vllm-deployment.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
periodSeconds: {{ .periodSeconds | int64 }}
timeoutSeconds: {{ .timeoutSeconds | int64 }}
{{- end -}}

{{- /*
The pod has left the Service when this begins. First the routers' time to notice, then the requests' to end: after
SIGTERM vLLM aborts them, or answers the next one with 500. An image without python3 waits the whole time. What the hook
returns matters to nobody but the reader of the event FailedPreStopHook.
*/ -}}
{{- define "vllm-deployment.preStop" -}}
{{- with .Values.drain -}}
{{- if .requestsSeconds -}}
exec:
  command:
    - sh
    - -c
    - sleep "$1"; if command -v python3 >/dev/null; then exec python3 -IS -c "$0" "$3" "$2"; fi; sleep "$2"
    - |
      {{- include "vllm-deployment.script" (list $ "drain.py") | nindent 6 }}
    - {{ .preStopSleepSeconds | int64 | quote }}
    - {{ .requestsSeconds | int64 | quote }}
    - http://127.0.0.1:8000/metrics
{{- else if .preStopSleepSeconds -}}
sleep:
  seconds: {{ .preStopSleepSeconds | int64 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What only a container that answers requests has: a worker of a LeaderWorkerSet does not. */ -}}
{{- define "vllm-deployment.server" -}}
ports:
  - name: http
    containerPort: 8000
    protocol: TCP
startupProbe:
  {{- include "vllm-deployment.probe" .Values.probes.startup | nindent 2 }}
  failureThreshold: {{ include "vllm-deployment.startupAttempts" . }}
readinessProbe:
  {{- include "vllm-deployment.probe" .Values.probes.readiness | nindent 2 }}
  failureThreshold: {{ .Values.probes.readiness.failureThreshold | int64 }}
livenessProbe:
  {{- include "vllm-deployment.probe" .Values.probes.liveness | nindent 2 }}
  failureThreshold: {{ .Values.probes.liveness.failureThreshold | int64 }}
{{- with include "vllm-deployment.preStop" . }}
lifecycle:
  preStop:
    {{- . | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.container" -}}
name: vllm
image: {{ include "vllm-deployment.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: ["vllm", "serve"]
args:
  {{- include "vllm-deployment.arguments" . | trim | nindent 2 }}
env:
  {{- include "vllm-deployment.environment" . | trim | nindent 2 }}
{{ if ne .role "worker" }}
{{- include "vllm-deployment.server" . }}
{{ end -}}
resources:
  {{- include "vllm-deployment.resources" . | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  {{- include "vllm-deployment.mounts" . | trim | nindent 2 }}
{{- end -}}
