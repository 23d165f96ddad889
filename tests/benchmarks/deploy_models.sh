#!/usr/bin/env bash
# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The manual workflow as a shell script, for the models that are named. AT_ONCE of them go at a time.
set -euo pipefail

deploy() {
  local model=$1 release=${1##*-} port forward
  helm upgrade --install "$release" "$CHART" --namespace "$NAMESPACE" --wait --timeout 20m \
    --values "$VALUES/values-$release.yaml" --values "$VALUES/values-development.yaml" > /dev/null
  kubectl wait --namespace "$NAMESPACE" --for=condition=available --timeout=20m \
    "deployment/$release-vllm-deployment" > /dev/null

  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  kubectl port-forward --namespace "$NAMESPACE" "service/$release-vllm-deployment" "$port:8000" > /dev/null &
  forward=$!
  curl --fail --silent --show-error --retry 60 --retry-delay 1 --retry-all-errors --output /dev/null \
    --header 'Content-Type: application/json' \
    --data "{\"model\": \"$model\", \"prompt\": \"Hi\", \"max_tokens\": 1}" "http://127.0.0.1:$port/v1/completions"
  kill "$forward"

  psql "$DATABASE_URL" --quiet --set ON_ERROR_STOP=1 --command "
    INSERT INTO model_registry_entries (model_name, revision, deployment_target, deployment_endpoint,
      deployment_environment, deployment_namespace, deployment_status)
    VALUES ('$model', 1, 'self_hosted', '$release-vllm-deployment.$NAMESPACE.svc.cluster.local:8000', 'development',
      '$NAMESPACE', 'ready')"
  curl --fail --silent --show-error --output /dev/null --header 'Content-Type: application/json' \
    --data "{\"model\": \"$model\", \"prompt\": \"Hi\", \"max_tokens\": 1}" "$ROUTER_URL/v1/completions"
}
export -f deploy

printf '%s\n' "$@" | xargs --max-procs "$AT_ONCE" --replace={} bash -euo pipefail -c 'deploy "$1"' deploy {}
