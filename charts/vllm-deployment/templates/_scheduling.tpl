{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

On which nodes the pods may run.
*/ -}}

{{- define "vllm-deployment.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "vllm-deployment.affinity" . | fromYaml }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "vllm-deployment.spread" . | fromYamlArray }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "vllm-deployment.claims" . | fromYamlArray }}
resourceClaims:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The wanted GPU products, in each of the user's own terms: terms are alternatives, what a term holds must all be. */ -}}
{{- define "vllm-deployment.affinity" -}}
{{- $affinity := deepCopy (.Values.affinity | default dict) -}}
{{- with .Values.gpu.products -}}
{{- $wanted := dict "key" $.Values.gpu.productLabel "operator" "In" "values" . -}}
{{- $node := get $affinity "nodeAffinity" | default dict -}}
{{- $required := get $node "requiredDuringSchedulingIgnoredDuringExecution" | default dict -}}
{{- $terms := list -}}
{{- range get $required "nodeSelectorTerms" | default (list dict) -}}
{{- $terms = append $terms (set . "matchExpressions" (append (get . "matchExpressions" | default list) $wanted)) -}}
{{- end -}}
{{- $_ := set $required "nodeSelectorTerms" $terms -}}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" $required -}}
{{- $_ := set $affinity "nodeAffinity" $node -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end -}}

{{- define "vllm-deployment.spread" -}}
{{- $own := dict "matchLabels" (include "vllm-deployment.selectorLabels" . | fromYaml) -}}
{{- range .Values.topologySpreadConstraints }}
{{ list (hasKey . "labelSelector" | ternary . (set (deepCopy .) "labelSelector" $own)) | toYaml }}
{{- end }}
{{- end -}}

{{- define "vllm-deployment.claims" -}}
{{- range .Values.gpu.claims }}
- name: {{ .name | quote }}
  {{- with .resourceClaimName }}
  resourceClaimName: {{ . | quote }}
  {{- end }}
  {{- with .resourceClaimTemplateName }}
  resourceClaimTemplateName: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}
