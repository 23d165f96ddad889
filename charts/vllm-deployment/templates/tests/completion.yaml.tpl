{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

`helm test`: one token under the exact name, through the Service, as a client would ask for it.
*/ -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "vllm-deployment.suffixed" (list (include "vllm-deployment.fullname" .) "test") }}
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "vllm-deployment.helperLabels" (list . "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "vllm-deployment.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- /* Where the image is: on the nodes with GPUs, of which this asks for none. */}}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - name: test
      image: {{ include "vllm-deployment.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command:
        - python3
        - -ISc
        - |
          {{- include "vllm-deployment.script" (list . "complete_one_token.py") | nindent 10 }}
        - {{ printf "http://%s.%s.svc:%d" (include "vllm-deployment.fullname" .) .Release.Namespace (.Values.service.port | int64) | quote }}
        - {{ first .Values.model.servedNames | quote }}
        - "60"
      {{- with include "vllm-deployment.keyEnvironment" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      resources:
        requests:
          cpu: 100m
          memory: 64Mi
        limits:
          memory: 256Mi
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
