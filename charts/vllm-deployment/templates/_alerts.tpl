{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}

{{- define "vllm-deployment.servingAlerts" -}}
{{- $series := include "vllm-deployment.series" . -}}
{{- $rules := .Values.prometheus.rules -}}
{{- $model := printf "%s (%s/%s)" (first .Values.model.servedNames) .Release.Namespace .Release.Name }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmDown" "rule" $rules.down
    "expression" (printf "absent(up{%s} == 1)" $series)
    "summary" (printf "%s is down" $model)
    "description" "No replica has answered a scrape."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmNotGenerating" "rule" $rules.notGenerating
    "expression" (include "vllm-deployment.stalled" .)
    "summary" (printf "%s does not generate" $model)
    "description" (printf "%s and no token came for %s." "{{ $labels.pod }} has {{ $value }} requests," $rules.window)
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmQueueGrowing" "rule" $rules.queueGrowing
    "expression" (printf "release:vllm_requests_waiting:sum{%s} > %v\n  and deriv(release:vllm_requests_waiting:sum{%s}[10m]) > 0" $series $rules.queueGrowing.threshold $series)
    "summary" (printf "The queue of %s grows" $model)
    "description" "{{ $value }} requests wait, and there are more and more of them."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmKvCacheFull" "rule" $rules.kvCacheFull
    "expression" (printf "max by (pod) (vllm:kv_cache_usage_perc{%s}) > %v" $series $rules.kvCacheFull.threshold)
    "summary" (printf "The KV cache of %s is full" $model)
    "description" "{{ $labels.pod }} uses {{ $value | humanizePercentage }} of its KV cache."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmTimeToFirstTokenHigh" "rule" $rules.timeToFirstToken
    "expression" (printf "release:vllm_time_to_first_token_seconds:p95{%s} > %v" $series $rules.timeToFirstToken.threshold)
    "summary" (printf "%s is slow to begin" $model)
    "description" "The 95th percentile of the time to the first token is {{ $value | humanizeDuration }}."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmLatencyHigh" "rule" $rules.latency
    "expression" (printf "release:vllm_e2e_request_latency_seconds:p95{%s} > %v" $series $rules.latency.threshold)
    "summary" (printf "%s is slow" $model)
    "description" "The 95th percentile of whole requests is {{ $value | humanizeDuration }}."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "VllmRestarts" "rule" $rules.restarts
    "expression" (printf "sum by (pod) (changes(process_start_time_seconds{%s}[1h])) > %v" $series $rules.restarts.threshold)
    "summary" (printf "%s restarts again and again" $model)
    "description" "{{ $labels.pod }} restarted {{ $value }} times within an hour."
  ) | indent 2 | trim }}
{{- end -}}

{{- /* On what the collection's own runs write: see docs/monitoring.md. */ -}}
{{- define "vllm-deployment.modelAlerts" -}}
{{- $series := include "vllm-deployment.modelSeries" . -}}
{{- $rules := .Values.prometheus.rules -}}
{{- $model := first .Values.model.servedNames }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "ModelDegraded" "rule" $rules.degraded
    "expression" (printf "max by (environment) (ai_aas_model_health_state{%s,state=\"degraded\"}) == 1" $series)
    "summary" (printf "%s is out of routing" $model)
    "description" "Health checks failed, and {{ $labels.environment }} no longer routes to it."
  ) | indent 2 | trim }}
{{- /*
The last value counts for a while after the series is gone, or a checker that vanished would raise no alert. A model that
is disabled or being deployed is not checked, and its state says so.
*/}}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "ModelHealthStale" "rule" $rules.healthStale
    "expression" (printf "time() - max by (environment) (max_over_time(ai_aas_model_health_check_timestamp_seconds{%s}[6h])) > %v\n  unless on (environment) max by (environment) (ai_aas_model_health_state{%s,state!~\"ready|degraded\"}) == 1" $series $rules.healthStale.threshold $series)
    "summary" (printf "The health of %s is not known" $model)
    "description" "Its last check in {{ $labels.environment }} was {{ $value | humanizeDuration }} ago."
  ) | indent 2 | trim }}
- {{ include "vllm-deployment.alert" (dict "root" . "name" "ModelDrift" "rule" $rules.drift
    "expression" (printf "max by (environment) (ai_aas_model_drift{%s}) > 0" $series)
    "summary" (printf "%s is not as it should be" $model)
    "description" "The last drift run of {{ $labels.environment }} found a difference."
  ) | indent 2 | trim }}
{{- end -}}

{{- /* Two windows for each speed, so that an alert neither fires on a blip nor outlives its cause for long. */ -}}
{{- define "vllm-deployment.burnAlerts" -}}
{{- $series := include "vllm-deployment.series" . -}}
{{- $rules := .Values.prometheus.rules -}}
{{- range $name, $indicator := dict "VllmAvailabilityBurn" "availability" "VllmTimeToFirstTokenBurn" "time_to_first_token" "VllmLatencyBurn" "e2e_request_latency" }}
{{- $rate := printf "release:vllm_%s:burnrate" $indicator }}
{{- $expression := "" }}
{{- range list (list "1h" "5m" "14.4") (list "6h" "30m" "6") }}
{{- $long := printf "%s%s{%s} > %s" $rate (index . 0) $series (index . 2) }}
{{- $short := printf "%s%s{%s} > %s" $rate (index . 1) $series (index . 2) }}
{{- $expression = printf "%s%s(\n  %s\n    and %s\n)" $expression (ternary "\nor " "" (ne $expression "")) $long $short }}
{{- end }}
- {{ include "vllm-deployment.alert" (dict "root" $ "name" $name "rule" $rules.objectives
    "expression" $expression
    "summary" (printf "%s soon misses its objective: %s" (first $.Values.model.servedNames) (replace "_" " " $indicator))
    "description" "Its error budget is spent {{ $value | humanize }} times as fast as it may be."
  ) | indent 2 | trim }}
{{- end }}
{{- end -}}
