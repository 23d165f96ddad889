{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- define "vllm-deployment.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end -}}

{{- /*
The full name is also the Service's, which registries hold as part of an endpoint. So it is refused when Kubernetes
would refuse it, and never cut short.
*/ -}}
{{- define "vllm-deployment.fullname" -}}
{{- $name := .Values.fullnameOverride | default (printf "%s-%s" .Release.Name (include "vllm-deployment.name" .)) -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "the name %q has %d characters, and a Service's may have 63: choose a shorter release name, or set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "the name %q is no Service name (a letter first, then letters, digits and '-'): choose another release name, or set fullnameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "vllm-deployment.serviceAccountName" -}}
{{- $own := ternary (include "vllm-deployment.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end -}}

{{- /* A Deployment's selector cannot be changed: these two labels stay as they are. */ -}}
{{- define "vllm-deployment.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vllm-deployment.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* The pods that answer requests: of a LeaderWorkerSet's groups only the leaders. */ -}}
{{- define "vllm-deployment.serverLabels" -}}
{{ include "vllm-deployment.selectorLabels" . }}
{{- if .Values.leaderWorkerSet.enabled }}
leaderworkerset.sigs.k8s.io/worker-index: "0"
{{- end }}
{{- end -}}

{{- /* Pods carry no chart version, or each release of the chart would restart every model. */ -}}
{{- define "vllm-deployment.labels" -}}
{{ include "vllm-deployment.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /*
Labels of the pods that download or test. Not those of the serving pods, or the Service would select them, and
`kubectl wait -l app.kubernetes.io/instance=…` would wait for them too.
*/ -}}
{{- define "vllm-deployment.helperLabels" -}}
app.kubernetes.io/name: {{ printf "%s-%s" (include "vllm-deployment.name" (first .) | trunc 50) (last .) | quote }}
app.kubernetes.io/component: {{ last . }}
app.kubernetes.io/part-of: {{ include "vllm-deployment.fullname" (first .) | quote }}
{{- end -}}

{{- /*
The full name with a suffix, within the 63 characters that a Job's and a pod's name may have; or within fewer, given as
a third part.
*/ -}}
{{- define "vllm-deployment.suffixed" -}}
{{- $name := first . -}}
{{- $suffix := index . 1 -}}
{{- $most := sub (ternary (last .) 63 (eq (len .) 3)) (len $suffix | add1) | int -}}
{{- if gt (len $name) $most -}}
{{- $name = printf "%s-%s" (trunc (sub $most 9 | int) $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{ $name }}-{{ $suffix }}
{{- end -}}

{{- /* A file of files/ without its header. */ -}}
{{- define "vllm-deployment.script" -}}
{{- regexReplaceAll "(?m)^# SPDX.*\n" ((first .).Files.Get (printf "files/%s" (last .))) "" | trim -}}
{{- end -}}

{{- define "vllm-deployment.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}
{{- end -}}
