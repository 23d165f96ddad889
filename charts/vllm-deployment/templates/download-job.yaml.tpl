{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

A hook, since a pod that waits for its model holds its GPU from the moment it is scheduled. So the download ends before
Helm makes the new pod, and during an upgrade the old pod serves on. A Job of the release would run beside the pod.
What follows from it:
- Helm waits for it whether or not it is told to --wait, and within its --timeout (5 minutes unless told otherwise).
- When it fails, the release fails and nothing else was changed. What it had downloaded is kept for the next attempt.
- It needs its claim before the release exists, so the claim is the user's. So is its ServiceAccount: the release's own
  comes after hooks.
- A rollback asks again whether the older revision is still there.
The Job stays, so that its log can be read, until the next one takes its name.
*/ -}}
{{- if .Values.model.download.enabled }}
{{- include "vllm-deployment.checks" . }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "vllm-deployment.downloadName" . }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.labels" . | nindent 4 }}
    app.kubernetes.io/component: download
  annotations:
    helm.sh/hook: pre-install,pre-upgrade,pre-rollback
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: {{ .Values.model.download.retries | int64 }}
  activeDeadlineSeconds: {{ .Values.model.download.timeoutSeconds | int64 }}
  template:
    metadata:
      {{- /* Not the labels of the serving pods, or the Service would select it, and who waits for those would wait for it. */}}
      labels:
        {{- include "vllm-deployment.helperLabels" (list . "download") | nindent 8 }}
    spec:
      restartPolicy: Never
      {{- if not .Values.serviceAccount.create }}
      serviceAccountName: {{ include "vllm-deployment.serviceAccountName" . | quote }}
      {{- end }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with .Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.model.download.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.model.download.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml .Values.podSecurityContext | nindent 8 }}
      containers:
        - name: download
          image: {{ include "vllm-deployment.image" . | quote }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command:
            - python3
            - -c
            - |
              {{- include "vllm-deployment.script" (list . "download_model.py") | nindent 14 }}
            - {{ .Values.model.name | quote }}
            - {{ .Values.model.revision | quote }}
            - {{ include "vllm-deployment.modelPath" . | quote }}
            - {{ .Values.model.download.exclude | default list | toJson | quote }}
          env:
            - name: HOME
              value: /tmp
            {{- with include "vllm-deployment.hubEnvironment" . | trim }}
            {{- . | nindent 12 }}
            {{- end }}
          terminationMessagePolicy: FallbackToLogsOnError
          resources:
            {{- toYaml .Values.model.download.resources | nindent 12 }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            - name: model
              mountPath: /model
            {{- with include "vllm-deployment.caMount" . | trim }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        {{- include "vllm-deployment.modelVolume" . | trim | nindent 8 }}
        {{- with include "vllm-deployment.caVolume" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end }}
