{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

Where the weights come from.
*/ -}}

{{- /* What vLLM is told to load. A download has a folder for each revision, so that an older one is never taken. */ -}}
{{- define "vllm-deployment.modelPath" -}}
{{- with .Values.model -}}
{{- if .download.enabled -}}
/model/{{ .name }}/{{ .revision }}
{{- else if eq .source.type "hub" -}}
{{ .name }}
{{- else if eq .source.type "objectStore" -}}
{{ .source.objectStore.uri }}
{{- else -}}
/model{{ with get (get .source .source.type) "subPath" }}/{{ . }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whether the weights are mounted, so that vLLM has to download nothing. */ -}}
{{- define "vllm-deployment.isModelMounted" -}}
{{- if has .Values.model.source.type (list "claim" "hostPath" "image") -}}true{{- end -}}
{{- end -}}

{{- /* Whether the serving pod downloads from outside the cluster: the weights, or an adapter that is no path. */ -}}
{{- define "vllm-deployment.needsInternet" -}}
{{- $remote := and (not (include "vllm-deployment.isModelMounted" .)) (not (hasPrefix "/" .Values.model.name)) -}}
{{- if or $remote (include "vllm-deployment.hasHubAdapter" .) -}}true{{- end -}}
{{- end -}}

{{- define "vllm-deployment.hasHubAdapter" -}}
{{- range .Values.lora.adapters -}}
{{- if not (hasPrefix "/" .path) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whether there is a Secret with the key of a Google account, which is mounted; other stores take variables. */ -}}
{{- define "vllm-deployment.hasGoogleKey" -}}
{{- with .Values.model.source -}}
{{- if and (eq .type "objectStore") (hasPrefix "gs://" .objectStore.uri) .objectStore.existingSecret.name -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.modelVolume" -}}
{{- with .Values.model.source }}
{{- if eq .type "claim" }}
- name: model
  persistentVolumeClaim:
    claimName: {{ .claim.name | quote }}
{{- else if eq .type "hostPath" }}
- name: model
  hostPath:
    path: {{ .hostPath.path | quote }}
    type: Directory
{{- else if eq .type "image" }}
- name: model
  image:
    reference: {{ .image.reference | quote }}
    pullPolicy: {{ .image.pullPolicy }}
{{- else if include "vllm-deployment.hasGoogleKey" $ }}
- name: object-store
  secret:
    secretName: {{ .objectStore.existingSecret.name | quote }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.modelMount" -}}
{{- if include "vllm-deployment.isModelMounted" . }}
- name: model
  mountPath: /model
  readOnly: true
{{- else if include "vllm-deployment.hasGoogleKey" . }}
- name: object-store
  mountPath: /etc/object-store
  readOnly: true
{{- end }}
{{- end -}}

{{- define "vllm-deployment.modelEnvironment" -}}
{{- if and (include "vllm-deployment.isModelMounted" .) (not (include "vllm-deployment.hasHubAdapter" .)) }}
- name: HF_HUB_OFFLINE
  value: "1"
{{- end }}
{{- if eq .Values.model.source.type "objectStore" }}
{{- with .Values.model.source.objectStore }}
{{- with .region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- /* Stores of one's own seldom have a host name for each bucket. */}}
- name: RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING
  value: "0"
{{- end }}
{{- with .existingSecret.name }}
{{- if include "vllm-deployment.hasGoogleKey" $ }}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /etc/object-store/credentials.json
{{- else }}
{{- $secret := . }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret | quote }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /*
The download takes place before the pod exists (download-job.yaml.tpl). This catches a claim that was emptied, and an
installation without hooks: the container ends with the reason, and the kubelet tries again until the folder is there.
*/ -}}
{{- define "vllm-deployment.modelGuard" -}}
- name: model-is-complete
  image: {{ include "vllm-deployment.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command:
    - sh
    - -c
    - test -d "$0" || { echo "$0 is not on the claim {{ .Values.model.source.claim.name }}, so the download has not completed. See the Job {{ include "vllm-deployment.downloadName" . }}." >&2; exit 1; }
    - {{ include "vllm-deployment.modelPath" . | quote }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources:
    requests:
      cpu: 10m
      memory: 16Mi
    limits:
      memory: 64Mi
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "vllm-deployment.modelMount" . | trim | nindent 4 }}
{{- end -}}

{{- define "vllm-deployment.downloadName" -}}
{{- include "vllm-deployment.suffixed" (list (include "vllm-deployment.fullname" .) "download") -}}
{{- end -}}
