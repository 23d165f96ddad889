{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

Times that follow from others.
*/ -}}

{{- /* Attempts of the startup probe that cover the startup budget: the quotient, rounded up. */ -}}
{{- define "vllm-deployment.startupAttempts" -}}
{{- $period := .Values.probes.startup.periodSeconds | int64 -}}
{{- div (sub (add (.Values.budgets.startupSeconds | int64) $period) 1) $period -}}
{{- end -}}

{{- /* The hook, its last request for metrics, what vLLM may take after SIGTERM, and 15 s for it to end its processes. */ -}}
{{- define "vllm-deployment.gracePeriod" -}}
{{- with .Values.drain -}}
{{- $request := ternary 5 0 (gt (.requestsSeconds | int64) 0) -}}
{{- add (.preStopSleepSeconds | int64) (.requestsSeconds | int64) $request (.shutdownTimeoutSeconds | int64) 15 -}}
{{- end -}}
{{- end -}}

{{- /* All phases of a start, the end of the pod before it, and a minute for probes and controllers to notice. */ -}}
{{- define "vllm-deployment.progressDeadline" -}}
{{- $probe := .Values.probes.startup.periodSeconds | int64 | mul (include "vllm-deployment.startupAttempts" . | int64) -}}
{{- with .Values.budgets -}}
{{- add (.schedulingSeconds | int64) (.pullSeconds | int64) $probe (include "vllm-deployment.gracePeriod" $ | int64) 60 -}}
{{- end -}}
{{- end -}}
