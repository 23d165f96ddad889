{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

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
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - {{ include "vllm-deployment.container" . | indent 6 | trim }}
  volumes:
    {{- include "vllm-deployment.volumes" . | nindent 4 }}
{{- end -}}

{{- define "vllm-deployment.volumes" -}}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.shm.sizeLimit | quote }}
- name: cache
{{- with .Values.cache }}
{{- if .existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .existingClaim | quote }}
{{- else if .sizeLimit }}
  emptyDir:
    sizeLimit: {{ .sizeLimit | quote }}
{{- else }}
  emptyDir: {}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
