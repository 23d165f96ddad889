{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

Recording rules: what the alerts on a release look at, and how fast its objectives' error budgets are spent.
*/ -}}

{{- define "vllm-deployment.indicators" -}}
{{- $series := include "vllm-deployment.series" . -}}
{{- $labels := include "vllm-deployment.identity" . | indent 4 -}}
{{- /* `vector(0)` stands for no target at all. */}}
- record: release:vllm_available:bool
  expr: |-
    (
      count(
        up{ {{- $series -}} } == 1
        unless on (instance) (
          {{- include "vllm-deployment.stalled" . | nindent 10 }}
        )
      ) > bool 0
    )
    or vector(0)
  labels:
{{ $labels }}
- record: release:vllm_requests_waiting:sum
  expr: sum(vllm:num_requests_waiting{ {{- $series -}} })
  labels:
{{ $labels }}
- record: release:vllm_time_to_first_token_seconds:p95
  expr: {{ include "vllm-deployment.p95" (dict "root" . "metric" "vllm:time_to_first_token_seconds") }}
  labels:
{{ $labels }}
- record: release:vllm_e2e_request_latency_seconds:p95
  expr: {{ include "vllm-deployment.p95" (dict "root" . "metric" "vllm:e2e_request_latency_seconds") }}
  labels:
{{ $labels }}
{{- end -}}

{{- /* 1 spends the budget exactly within the objective's period. */ -}}
{{- define "vllm-deployment.burnRates" -}}
{{- $series := include "vllm-deployment.series" . -}}
{{- $labels := include "vllm-deployment.identity" . | indent 4 -}}
{{- $objectives := .Values.prometheus.rules.objectives -}}
{{- range $window := list "5m" "30m" "1h" "6h" }}
- record: release:vllm_availability:burnrate{{ $window }}
  expr: |-
    (1 - avg_over_time(release:vllm_available:bool{ {{- $series -}} }[{{ $window }}]))
      / (1 - {{ $objectives.availability.objective }})
  labels:
{{ $labels }}
{{- range $name, $metric := dict "timeToFirstToken" "time_to_first_token" "latency" "e2e_request_latency" }}
{{- $objective := get $objectives $name }}
{{- $histogram := printf "vllm:%s_seconds" $metric }}
- record: release:vllm_{{ $metric }}:burnrate{{ $window }}
  expr: |-
    (
      {{- include "vllm-deployment.slowShare" (dict "root" $ "metric" $histogram "threshold" $objective.threshold "window" $window) | nindent 6 }}
    )
      / (1 - {{ $objective.objective }})
  labels:
{{ $labels }}
{{- end }}
{{- end }}
{{- end -}}
