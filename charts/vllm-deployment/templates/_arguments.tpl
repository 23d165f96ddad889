{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

The arguments of `vllm serve`.
*/ -}}

{{- define "vllm-deployment.arguments" -}}
- {{ include "vllm-deployment.modelPath" . | quote }}
- "--served-model-name"
{{- range .Values.model.servedNames }}
- {{ . | quote }}
{{- end }}
- "--host=0.0.0.0"
- "--port=8000"
{{- include "vllm-deployment.modelArguments" . }}
{{- include "vllm-deployment.loraArguments" . }}
{{- include "vllm-deployment.groupArguments" . }}
{{- with .Values.drain.shutdownTimeoutSeconds | int64 }}
- "--shutdown-timeout={{ . }}"
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.modelArguments" -}}
{{- with .Values.model }}
{{- if eq .source.type "objectStore" }}
- "--load-format=runai_streamer"
{{- end }}
{{- if and .revision (eq .source.type "hub") }}
- {{ printf "--revision=%s" .revision | quote }}
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
{{- end -}}

{{- define "vllm-deployment.loraArguments" -}}
{{- with .Values.lora }}
{{- if .adapters }}
- "--enable-lora"
{{- with .maxRank | int64 }}
- "--max-lora-rank={{ . }}"
{{- end }}
- "--lora-modules"
{{- range .adapters }}
- {{ printf "%s=%s" .name .path | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* LeaderWorkerSet sets both variables in front of a container's own, so that they can be named here. */ -}}
{{- define "vllm-deployment.groupArguments" -}}
{{- if .Values.leaderWorkerSet.enabled }}
- "--distributed-executor-backend=mp"
- "--nnodes={{ .Values.leaderWorkerSet.size | int64 }}"
- "--node-rank=$(LWS_WORKER_INDEX)"
- "--master-addr=$(LWS_LEADER_ADDRESS)"
{{- if eq .role "worker" }}
- "--headless"
{{- end }}
{{- end }}
{{- end -}}
