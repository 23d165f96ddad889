{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- /* The chart's variables, but for those that the user sets: a list with one name twice is refused by Helm 4. */ -}}
{{- define "vllm-deployment.environment" -}}
{{- $own := include "vllm-deployment.ownEnvironment" . | fromYamlArray -}}
{{- $given := list -}}
{{- range .Values.extraEnv -}}
{{- $given = append $given .name -}}
{{- end -}}
{{- range $own -}}
{{- if not (has .name $given) }}
{{ list . | toYaml }}
{{- end -}}
{{- end -}}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.ownEnvironment" -}}
{{- $cache := .Values.cache.mountPath }}
{{- /* Whatever else is kept below a home directory: the image's own cannot be written to. */}}
- name: HOME
  value: {{ $cache }}/home
- name: HF_HOME
  value: {{ $cache }}/huggingface
- name: VLLM_CACHE_ROOT
  value: {{ $cache }}/vllm
- name: TRITON_CACHE_DIR
  value: {{ $cache }}/triton
- name: TORCHINDUCTOR_CACHE_DIR
  value: {{ $cache }}/torchinductor
{{- include "vllm-deployment.modelEnvironment" . }}
{{- include "vllm-deployment.hubEnvironment" . }}
{{- include "vllm-deployment.keyEnvironment" . }}
{{- end -}}

{{- /* What it takes to reach the hub. */ -}}
{{- define "vllm-deployment.hubEnvironment" -}}
{{- with .Values.hubToken.existingSecret }}
{{- if .name }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- include "vllm-deployment.caEnvironment" . }}
{{- include "vllm-deployment.proxyEnvironment" . }}
{{- end -}}

{{- define "vllm-deployment.keyEnvironment" -}}
{{- with .Values.apiKey.existingSecret }}
{{- if .name }}
- name: VLLM_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Both spellings: some libraries know only the one, some only the other. */ -}}
{{- define "vllm-deployment.proxyEnvironment" -}}
{{- with .Values.proxy }}
{{- if or .http .https }}
{{- $direct := concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local") (.direct | default list) | uniq | join "," }}
{{- range $name, $value := dict "http_proxy" .http "https_proxy" .https "no_proxy" $direct }}
{{- if $value }}
- name: {{ $name | upper }}
  value: {{ $value | quote }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.caEnvironment" -}}
{{- if or .Values.caBundle.configMap.name .Values.caBundle.secret.name }}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" }}
- name: {{ . }}
  value: /etc/ca-bundle/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.caVolume" -}}
{{- with .Values.caBundle }}
{{- if .configMap.name }}
- name: ca-bundle
  configMap:
    name: {{ .configMap.name | quote }}
    items:
      - key: {{ .configMap.key | quote }}
        path: ca.crt
{{- else if .secret.name }}
- name: ca-bundle
  secret:
    secretName: {{ .secret.name | quote }}
    items:
      - key: {{ .secret.key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.caMount" -}}
{{- if or .Values.caBundle.configMap.name .Values.caBundle.secret.name }}
- name: ca-bundle
  mountPath: /etc/ca-bundle
  readOnly: true
{{- end }}
{{- end -}}
