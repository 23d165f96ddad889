{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

A model over several nodes: a Deployment cannot tell a group of pods to live and die together.
*/ -}}
{{- if .Values.leaderWorkerSet.enabled }}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  {{- include "vllm-deployment.workloadMetadata" . | nindent 2 }}
spec:
  replicas: {{ .Values.replicas | int64 }}
  rolloutStrategy:
    type: RollingUpdate
    rollingUpdateConfiguration:
      maxSurge: {{ ternary 1 0 .Values.strategy.surge }}
      maxUnavailable: {{ ternary 0 1 .Values.strategy.surge }}
  leaderWorkerTemplate:
    size: {{ .Values.leaderWorkerSet.size | int64 }}
    restartPolicy: RecreateGroupOnPodRestart
    leaderTemplate:
      {{- include "vllm-deployment.podTemplate" (merge (dict "role" "leader") .) | nindent 6 }}
    workerTemplate:
      {{- include "vllm-deployment.podTemplate" (merge (dict "role" "worker") .) | nindent 6 }}
{{- end }}
