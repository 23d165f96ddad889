{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- /* /tmp is all that has to be writable beside the caches when the root file system is not. */ -}}
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
{{- if not (include "vllm-deployment.hasOwnTmp" .) }}
- name: tmp
  emptyDir: {}
{{- end }}
{{- include "vllm-deployment.modelVolume" . }}
{{- include "vllm-deployment.caVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.mounts" -}}
- name: shm
  mountPath: /dev/shm
- name: cache
  mountPath: {{ .Values.cache.mountPath }}
{{- if not (include "vllm-deployment.hasOwnTmp" .) }}
- name: tmp
  mountPath: /tmp
{{- end }}
{{- include "vllm-deployment.modelMount" . }}
{{- include "vllm-deployment.caMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.hasOwnTmp" -}}
{{- range .Values.extraVolumeMounts -}}
{{- if eq (.mountPath | trimSuffix "/") "/tmp" -}}true{{- end -}}
{{- end -}}
{{- end -}}
