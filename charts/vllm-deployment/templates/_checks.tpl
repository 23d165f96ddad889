{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

What values.schema.json cannot say: rules over several keys, and values that only look right.
*/ -}}

{{- define "vllm-deployment.checks" -}}
{{- include "vllm-deployment.checkImage" . -}}
{{- include "vllm-deployment.checkParallel" . -}}
{{- include "vllm-deployment.checkArguments" . -}}
{{- include "vllm-deployment.checkEnvironment" . -}}
{{- include "vllm-deployment.checkVolumes" . -}}
{{- include "vllm-deployment.checkUser" . -}}
{{- include "vllm-deployment.checkSource" . -}}
{{- include "vllm-deployment.checkDownload" . -}}
{{- include "vllm-deployment.checkAdapters" . -}}
{{- include "vllm-deployment.checkClaims" . -}}
{{- include "vllm-deployment.checkAutoscaling" . -}}
{{- include "vllm-deployment.checkRoutes" . -}}
{{- include "vllm-deployment.checkHealth" . -}}
{{- end -}}

{{- define "vllm-deployment.checkHealth" -}}
{{- with .Values.healthCheck -}}
{{- if .enabled -}}
{{- if not .image -}}
{{- fail "healthCheck.image is empty: name an image that holds this collection" -}}
{{- end -}}
{{- if not .environment -}}
{{- fail "healthCheck.environment is empty: name the environment of the model's entry" -}}
{{- end -}}
{{- if not .database.existingSecret.name -}}
{{- fail "healthCheck.database.existingSecret.name is empty: name the Secret with the registry's DATABASE_URL" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkImage" -}}
{{- with .Values.image -}}
{{- if eq .tag "latest" -}}
{{- fail "image.tag: \"latest\" names another image from day to day: pin a release such as v0.32.0" -}}
{{- end -}}
{{- if not (or .tag .digest) -}}
{{- fail "image.tag and image.digest are both empty: set one" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkParallel" -}}
{{- $needed := mul .Values.model.tensorParallelSize .Values.model.pipelineParallelSize | int -}}
{{- $count := .Values.gpu.count | int -}}
{{- $sizes := printf "model.tensorParallelSize times model.pipelineParallelSize needs %d GPUs" $needed -}}
{{- if .Values.leaderWorkerSet.enabled -}}
{{- if not (.Capabilities.APIVersions.Has "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet") -}}
{{- fail "leaderWorkerSet.enabled: the cluster does not know leaderworkerset.x-k8s.io/v1: install the LeaderWorkerSet controller" -}}
{{- end -}}
{{- $group := mul .Values.leaderWorkerSet.size $count | int -}}
{{- if ne $needed $group -}}
{{- fail (printf "%s in a group, and leaderWorkerSet.size times gpu.count is %d" $sizes $group) -}}
{{- end -}}
{{- else if and $count (gt $needed $count) -}}
{{- fail (printf "%s in the pod, and gpu.count is %d: raise it, or set leaderWorkerSet.enabled to use several nodes" $sizes $count) -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkArguments" -}}
{{- $owners := dict
  "--model" "model.name"
  "--served-model-name" "model.servedNames"
  "--revision" "model.revision"
  "--max-model-len" "model.maxModelLen"
  "--dtype" "model.dtype"
  "--quantization" "model.quantization"
  "-q" "model.quantization"
  "--gpu-memory-utilization" "model.gpuMemoryUtilization"
  "--tensor-parallel-size" "model.tensorParallelSize"
  "-tp" "model.tensorParallelSize"
  "--pipeline-parallel-size" "model.pipelineParallelSize"
  "-pp" "model.pipelineParallelSize"
  "--shutdown-timeout" "drain.shutdownTimeoutSeconds"
  "--load-format" "model.source.type"
  "--enable-lora" "lora.adapters"
  "--lora-modules" "lora.adapters"
  "--max-lora-rank" "lora.maxRank"
  "--nnodes" "leaderWorkerSet.size"
  "--node-rank" "leaderWorkerSet"
  "--master-addr" "leaderWorkerSet"
  "--headless" "leaderWorkerSet"
  "--distributed-executor-backend" "leaderWorkerSet"
  "--api-key" "apiKey.existingSecret"
  "--hf-token" "hubToken.existingSecret"
-}}
{{- range .Values.extraArgs -}}
{{- $flag := splitList "=" . | first | replace "_" "-" -}}
{{- if hasKey $owners $flag -}}
{{- fail (printf "extraArgs: %s is set by %s" $flag (get $owners $flag)) -}}
{{- end -}}
{{- if has $flag (list "--host" "--port") -}}
{{- fail (printf "extraArgs: %s is fixed by the chart, since the Service and the probes depend on it" $flag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkEnvironment" -}}
{{- $owners := dict
  "HF_TOKEN" "hubToken.existingSecret"
  "HUGGING_FACE_HUB_TOKEN" "hubToken.existingSecret"
  "VLLM_API_KEY" "apiKey.existingSecret"
-}}
{{- range .Values.extraEnv -}}
{{- if and (hasKey $owners .name) (not .valueFrom) -}}
{{- fail (printf "extraEnv: %s may not be a plain value: use %s" .name (get $owners .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
