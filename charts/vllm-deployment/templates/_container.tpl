{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- define "vllm-deployment.arguments" -}}
{{- with .Values.model }}
- {{ .name | quote }}
- "--served-model-name"
{{- range .servedNames }}
- {{ . | quote }}
{{- end }}
- "--host=0.0.0.0"
- "--port=8000"
{{- with .revision }}
- {{ printf "--revision=%s" . | quote }}
{{- end }}
{{- with .maxModelLen | int64 }}
- "--max-model-len={{ . }}"
{{- end }}
{{- if ne .dtype "auto" }}
- "--dtype={{ .dtype }}"
{{- end }}
{{- with .quantization }}
- {{ printf "--quantization=%s" . | quote }}
{{- end }}
{{- if $.Values.gpu.count }}
- "--gpu-memory-utilization={{ .gpuMemoryUtilization }}"
{{- end }}
{{- if gt (.tensorParallelSize | int64) 1 }}
- "--tensor-parallel-size={{ .tensorParallelSize | int64 }}"
{{- end }}
{{- if gt (.pipelineParallelSize | int64) 1 }}
- "--pipeline-parallel-size={{ .pipelineParallelSize | int64 }}"
{{- end }}
{{- end }}
{{- with .Values.drain.shutdownTimeoutSeconds | int64 }}
- "--shutdown-timeout={{ . }}"
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.environment" -}}
{{- $cache := .Values.cache.mountPath }}
- name: HF_HOME
  value: {{ $cache }}/huggingface
- name: VLLM_CACHE_ROOT
  value: {{ $cache }}/vllm
- name: TRITON_CACHE_DIR
  value: {{ $cache }}/triton
- name: TORCHINDUCTOR_CACHE_DIR
  value: {{ $cache }}/torchinductor
{{- with .Values.hubToken.existingSecret }}
{{- if .name }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- with .Values.apiKey.existingSecret }}
{{- if .name }}
- name: VLLM_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- with .Values.gpu -}}
{{- if .count -}}
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

{{- define "vllm-deployment.container" -}}
name: vllm
image: {{ include "vllm-deployment.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: ["vllm", "serve"]
args:
  {{- include "vllm-deployment.arguments" . | trim | nindent 2 }}
env:
  {{- include "vllm-deployment.environment" . | trim | nindent 2 }}
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
{{- with .Values.drain.preStopSleepSeconds | int64 }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ . }}
{{- end }}
resources:
  {{- include "vllm-deployment.resources" . | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: shm
    mountPath: /dev/shm
  - name: cache
    mountPath: {{ .Values.cache.mountPath }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
