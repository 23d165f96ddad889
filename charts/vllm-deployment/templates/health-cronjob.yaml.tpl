{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

The health check of docs/health.md on a schedule, from within the cluster, where endpoints resolve. It reads and writes
the registry, and asks the models themselves: of Kubernetes it needs nothing.
*/ -}}
{{- if .Values.healthCheck.enabled }}
{{- with .Values.healthCheck }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "vllm-deployment.suffixed" (list (include "vllm-deployment.fullname" $) "health" 52) }}
  namespace: {{ $.Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" $ | nindent 4 }}
    app.kubernetes.io/component: health
spec:
  schedule: {{ .schedule | quote }}
  {{- /* A check that is late is worth nothing, and two at once are no better than one. */}}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: {{ .intervalSeconds | int64 }}
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: {{ .timeoutSeconds | int64 }}
      template:
        metadata:
          labels:
            {{- include "vllm-deployment.helperLabels" (list $ "health") | nindent 12 }}
        spec:
          restartPolicy: Never
          serviceAccountName: {{ include "vllm-deployment.serviceAccountName" $ | quote }}
          automountServiceAccountToken: false
          enableServiceLinks: false
          {{- with .pullSecrets }}
          imagePullSecrets:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- toYaml $.Values.podSecurityContext | nindent 12 }}
          containers:
            - name: health
              image: {{ .image | quote }}
              imagePullPolicy: IfNotPresent
              command:
                - ansible
                - localhost
                - --module-name=ai_aas.inference.model_registry_health
                - {{ printf "--args=%s" (include "vllm-deployment.healthOptions" $) | quote }}
              env:
                - name: HOME
                  value: /tmp
                - name: DATABASE_URL
                  valueFrom:
                    secretKeyRef:
                      {{- toYaml .database.existingSecret | nindent 22 }}
                {{- if .cache.existingSecret.name }}
                - name: REDIS_URL
                  valueFrom:
                    secretKeyRef:
                      {{- toYaml .cache.existingSecret | nindent 22 }}
                {{- end }}
                {{- with include "vllm-deployment.keyEnvironment" $ | trim }}
                {{- . | nindent 16 }}
                {{- end }}
              terminationMessagePolicy: FallbackToLogsOnError
              resources:
                {{- toYaml .resources | nindent 16 }}
              securityContext:
                {{- toYaml $.Values.securityContext | nindent 16 }}
              volumeMounts:
                - name: tmp
                  mountPath: /tmp
          volumes:
            - name: tmp
              emptyDir: {}
{{- end }}
{{- end }}

{{- /* What the module is told, as JSON. The user's own options come last. */ -}}
{{- define "vllm-deployment.healthOptions" -}}
{{- $own := dict "environment" .Values.healthCheck.environment "interval" (.Values.healthCheck.intervalSeconds | int64) -}}
{{- if not .Values.healthCheck.allModels -}}
{{- $_ := set $own "models" (list (first .Values.model.servedNames)) -}}
{{- end -}}
{{- mustMergeOverwrite $own (deepCopy .Values.healthCheck.options) | toJson -}}
{{- end -}}
