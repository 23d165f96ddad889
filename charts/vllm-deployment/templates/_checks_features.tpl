{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

What the optional parts need of each other and of the cluster.
*/ -}}

{{- define "vllm-deployment.checkVolumes" -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "shm" "cache" "tmp" "model" "object-store" "ca-bundle") -}}
{{- fail (printf "extraVolumes: the name %q is the chart's own: choose another" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkUser" -}}
{{- with .Values.podSecurityContext -}}
{{- if and .runAsNonRoot (hasKey . "runAsUser") (eq (.runAsUser | int64) 0) -}}
{{- fail "podSecurityContext.runAsUser: 0 is root, which runAsNonRoot refuses: set podSecurityContext.runAsNonRoot=false if root is meant" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.caBundle.configMap.name .Values.caBundle.secret.name -}}
{{- fail "caBundle.configMap and caBundle.secret are both named: keep one" -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkSource" -}}
{{- with .Values.model.source -}}
{{- $needs := dict "claim" "name" "hostPath" "path" "image" "reference" "objectStore" "uri" -}}
{{- range $type, $key := $needs -}}
{{- $given := get (get $.Values.model.source $type) $key -}}
{{- if and (eq $.Values.model.source.type $type) (not $given) -}}
{{- fail (printf "model.source.%s.%s is empty, and model.source.type %q needs it" $type $key $type) -}}
{{- else if and (ne $.Values.model.source.type $type) $given -}}
{{- fail (printf "model.source.%s is set, and model.source.type is %q: set it to %q, or take the other away" $type $.Values.model.source.type $type) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .type "image") (semverCompare "<1.31-0" $.Capabilities.KubeVersion.Version) -}}
{{- fail (printf "model.source.type \"image\" needs Kubernetes 1.31, where image volumes begin, and the cluster has %s: use a claim, or upgrade" $.Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $.Values.model.revision (ne .type "hub") (not $.Values.model.download.enabled) -}}
{{- fail (printf "model.revision is of the hub, and model.source.type is %q: what lies there has no revision" .type) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkDownload" -}}
{{- with .Values.model -}}
{{- if .download.enabled -}}
{{- if ne .source.type "claim" -}}
{{- fail (printf "model.download.enabled: the download goes into a claim, and model.source.type is %q" .source.type) -}}
{{- end -}}
{{- if .source.claim.subPath -}}
{{- fail "model.source.claim.subPath: a download has a folder of its own for each model and revision: leave it empty" -}}
{{- end -}}
{{- if not (regexMatch "^[a-zA-Z0-9][-._a-zA-Z0-9]*/[a-zA-Z0-9][-._a-zA-Z0-9]*$" .name) -}}
{{- fail (printf "model.name: %q is no hub id such as unsloth/gpt-oss-20b, and model.download needs one" .name) -}}
{{- end -}}
{{- if not (regexMatch "^[0-9a-f]{40}$" .revision) -}}
{{- fail (printf "model.revision: model.download needs a commit (40 hexadecimal digits), and got %q: a branch or tag moves, and what was downloaded would not" .revision) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkAdapters" -}}
{{- $names := .Values.model.servedNames -}}
{{- range .Values.lora.adapters -}}
{{- if has .name $names -}}
{{- fail (printf "lora.adapters: the name %q is served already" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkClaims" -}}
{{- range .Values.gpu.claims -}}
{{- if eq (empty .resourceClaimName) (empty .resourceClaimTemplateName) -}}
{{- fail (printf "gpu.claims: %q needs one of resourceClaimTemplateName and resourceClaimName" .name) -}}
{{- end -}}
{{- end -}}
{{- if .Values.gpu.claims -}}
{{- $known := .Capabilities.APIVersions -}}
{{- if not (or ($known.Has "resource.k8s.io/v1") ($known.Has "resource.k8s.io/v1beta2") ($known.Has "resource.k8s.io/v1beta1")) -}}
{{- fail "gpu.claims: the cluster does not serve resource.k8s.io (dynamic resource allocation): use gpu.resourceName" -}}
{{- end -}}
{{- if not .Values.gpu.count -}}
{{- fail "gpu.claims: gpu.count is 0: set it to the number of GPUs that the claims hold" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkAutoscaling" -}}
{{- with .Values.autoscaling -}}
{{- if and .hpa.enabled .keda.enabled -}}
{{- fail "autoscaling.hpa and autoscaling.keda are both enabled: they would fight over the number of replicas: keep one" -}}
{{- end -}}
{{- if include "vllm-deployment.isAutoscaled" $ -}}
{{- if gt (.minReplicas | int64) (.maxReplicas | int64) -}}
{{- fail (printf "autoscaling.minReplicas is %d, and autoscaling.maxReplicas only %d" (.minReplicas | int64) (.maxReplicas | int64)) -}}
{{- end -}}
{{- if $.Values.leaderWorkerSet.enabled -}}
{{- fail "autoscaling: this chart scales a Deployment only: leave it out beside leaderWorkerSet.enabled" -}}
{{- end -}}
{{- end -}}
{{- if .keda.enabled -}}
{{- if not ($.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject") -}}
{{- fail "autoscaling.keda.enabled: the cluster does not know keda.sh/v1alpha1: install KEDA, or nothing would set the number of replicas" -}}
{{- end -}}
{{- if not .keda.prometheusAddress -}}
{{- fail "autoscaling.keda.prometheusAddress is empty, and autoscaling.keda.enabled needs it" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vllm-deployment.checkRoutes" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty, and ingress.enabled needs one: without a host it would take all requests of the cluster" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty, and httpRoute.enabled needs the Gateway that it belongs to" -}}
{{- end -}}
{{- if and .Values.inferencePool.enabled (not .Values.inferencePool.endpointPicker.name) -}}
{{- fail "inferencePool.endpointPicker.name is empty, and inferencePool.enabled needs it" -}}
{{- end -}}
{{- end -}}
