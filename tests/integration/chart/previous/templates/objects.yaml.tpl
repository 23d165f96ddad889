{{- /*
SPDX-FileCopyrightText: ai_aas.inference contributors
SPDX-License-Identifier: GPL-3.0-or-later

What version 0.1.0 of the chart, whose objects are in clusters, made of the values of the test.
*/ -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: "{{ .Release.Name }}-vllm-deployment"
  namespace: "{{ .Release.Namespace }}"
  labels:
    app.kubernetes.io/name: "vllm-deployment"
    app.kubernetes.io/instance: "{{ .Release.Name }}"
    app.kubernetes.io/version: "0.32.0"
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: vllm-deployment-0.1.0
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-vllm-deployment
  namespace: "{{ .Release.Namespace }}"
  labels:
    app.kubernetes.io/name: "vllm-deployment"
    app.kubernetes.io/instance: "{{ .Release.Name }}"
    app.kubernetes.io/version: "0.32.0"
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: vllm-deployment-0.1.0
spec:
  type: ClusterIP
  ports:
    - name: http
      port: 8000
      targetPort: http
      protocol: TCP
  selector:
    app.kubernetes.io/name: "vllm-deployment"
    app.kubernetes.io/instance: "{{ .Release.Name }}"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-vllm-deployment
  namespace: "{{ .Release.Namespace }}"
  labels:
    app.kubernetes.io/name: "vllm-deployment"
    app.kubernetes.io/instance: "{{ .Release.Name }}"
    app.kubernetes.io/version: "0.32.0"
    app.kubernetes.io/managed-by: Helm
    helm.sh/chart: vllm-deployment-0.1.0
spec:
  replicas: 1
  progressDeadlineSeconds: 2775
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      app.kubernetes.io/name: "vllm-deployment"
      app.kubernetes.io/instance: "{{ .Release.Name }}"
  template:
    metadata:
      labels:
        app.kubernetes.io/instance: {{ .Release.Name }}
        app.kubernetes.io/name: vllm-deployment
    spec:
      serviceAccountName: "{{ .Release.Name }}-vllm-deployment"
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 15
      tolerations:
        - effect: NoSchedule
          key: nvidia.com/gpu
          operator: Exists
      securityContext:
        fsGroup: 0
        fsGroupChangePolicy: OnRootMismatch
        runAsGroup: 0
        runAsNonRoot: true
        runAsUser: 2000
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: vllm
          image: "vllm/vllm-openai:v0.32.0"
          imagePullPolicy: IfNotPresent
          command: ["vllm", "serve"]
          args:
            - "org/tiny"
            - "--served-model-name"
            - "tiny"
            - "--host=0.0.0.0"
            - "--port=8000"
          env:
            - name: HF_HOME
              value: /cache/huggingface
            - name: VLLM_CACHE_ROOT
              value: /cache/vllm
            - name: TRITON_CACHE_DIR
              value: /cache/triton
            - name: TORCHINDUCTOR_CACHE_DIR
              value: /cache/torchinductor
            - name: LAB_VLLM_LOAD_SECONDS
              value: "0.3"
          ports:
            - name: http
              containerPort: 8000
              protocol: TCP
          startupProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 1
            timeoutSeconds: 5
            failureThreshold: 1200
          readinessProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 1
            timeoutSeconds: 5
            failureThreshold: 3
          livenessProbe:
            httpGet:
              path: /health
              port: http
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: 6
          resources:
            limits:
              memory: 64Mi
            requests:
              cpu: 100m
              memory: 64Mi
          securityContext:
            allowPrivilegeEscalation: false
            capabilities:
              drop:
              - ALL
          volumeMounts:
            - name: shm
              mountPath: /dev/shm
            - name: cache
              mountPath: /cache
      volumes:
        - name: shm
          emptyDir:
            medium: Memory
            sizeLimit: "4Gi"
        - name: cache
          emptyDir: {}
