# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Kubernetes API says of a release, and streams to its pods."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm import connection
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.observation import Pod, Workload
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.rollout import oversized_request

INSTANCE_LABEL = "app.kubernetes.io/instance"
REVISION = "deployment.kubernetes.io/revision"
SECONDS_PER_REQUEST = 10


class ForbiddenError(InferenceError):
    """The API server does not let us look."""


class UnreachableError(InferenceError):
    """The API server gave no answer; it may come back."""


class Cluster:
    """One namespace of a cluster, read as plain JSON.

    The client's connection and credentials are used, its API classes are not: importing those alone takes a second
    and 100 MB (kubernetes 37.0.2), in every task.
    """

    def __init__(self, configuration: Any, namespace: str) -> None:
        from kubernetes.client.rest import RESTClientObject

        self.configuration = configuration
        self.namespace = namespace
        self.pool = RESTClientObject(configuration).pool_manager

    def credentials(self) -> dict[str, str]:
        """Return the header that authenticates a request, renewed if the client knows how to."""
        bearer = self.configuration.auth_settings().get("BearerToken")
        return {"authorization": bearer["value"]} if bearer else {}

    def items(self, path: str, label: str = "") -> list[dict[str, Any]]:
        """Return the items of a list, chosen by label.

        Raises:
            ForbiddenError: the API server refuses; the message names verb and resource.
            UnreachableError: it cannot be reached, or answers with an error of its own.
        """
        from urllib3.exceptions import HTTPError

        url = self.configuration.host + path + ("?" + urlencode({"labelSelector": label}) if label else "")
        headers = {"Accept": "application/json", **self.credentials()}
        try:
            response = self.pool.request("GET", url, headers=headers, timeout=SECONDS_PER_REQUEST, retries=False)
        except HTTPError as error:
            raise UnreachableError("The Kubernetes API cannot be reached", str(error)) from error
        if response.status != 200:
            raise api_error(response.status, response.data)
        found: list[dict[str, Any]] = json.loads(response.data)["items"]
        return found

    def workload(self, release: str) -> Workload:
        """Observe a release's Deployment, the pods of its newest revision, and nodes if one of them has none."""
        label = f"{INSTANCE_LABEL}={release}"
        apps = f"/apis/apps/v1/namespaces/{self.namespace}"
        deployments = self.items(f"{apps}/deployments", label)
        if not deployments:
            return Workload()
        newest = newest_replicaset(self.items(f"{apps}/replicasets", label), deployments[0])
        found = self.items(f"/api/v1/namespaces/{self.namespace}/pods", label) if newest else []
        mine = [(pod, read_pod(pod)) for pod in found if owned_by(pod, newest)]
        unplaced = [raw for raw, pod in mine if pod.unschedulable and not pod.scheduled]
        oversized = self.oversized(unplaced[0]) if unplaced else ""
        return read_workload(deployments[0], tuple(pod for _unused, pod in mine), oversized)

    def oversized(self, pod: Mapping[str, Any]) -> str:
        """Say which request of a pod exceeds every node; empty too where nodes may not be read."""
        from kubernetes.utils.quantity import parse_quantity

        try:
            nodes = self.items("/api/v1/nodes")
        except ForbiddenError:
            return ""
        requests: dict[str, Decimal] = {}
        for container in pod["spec"]["containers"]:
            for resource, amount in container.get("resources", {}).get("requests", {}).items():
                requests[resource] = requests.get(resource, Decimal(0)) + parse_quantity(amount)
        allocatable = [node.get("status", {}).get("allocatable", {}) for node in nodes]
        return oversized_request(
            requests, [{name: parse_quantity(amount) for name, amount in each.items()} for each in allocatable]
        )

    def connect_to(self, pod: Pod) -> connection.Connect:
        """Return how to reach a pod's port through the API server's port-forward."""

        def connect(timeout: float) -> http.client.HTTPConnection:
            import websocket
            from kubernetes.client.exceptions import ApiException
            from kubernetes.stream.ws_client import portforward_call

            # The client offers no timeout for this handshake, only the library's default that it takes.
            websocket.setdefaulttimeout(timeout)
            url = f"{self.configuration.host}/api/v1/namespaces/{self.namespace}/pods/{pod.name}/portforward"
            ports = [("ports", str(pod.port))]
            try:
                forward = portforward_call(
                    self.configuration, "GET", url, query_params=ports, headers=self.credentials()
                )
            except ApiException as error:
                raise ConnectionResetError(f"port-forward to pod {pod.name}: {refusal(error.reason)}") from error
            return connection.adopt(forward.socket(pod.port))

        return connect


def open_cluster(namespace: str, kubeconfig: str | None = None, context: str | None = None) -> Cluster:
    """Return the cluster that a kubeconfig names (by default KUBECONFIG, ~/.kube/config, or the pod's own account).

    Raises:
        InferenceError: there is no usable kubeconfig.
    """
    from kubernetes import config
    from kubernetes.client import Configuration

    settings = Configuration()
    has_file = kubeconfig or "KUBECONFIG" in os.environ or os.path.exists(os.path.expanduser("~/.kube/config"))
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and not has_file:
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(kubeconfig, context, settings)
    except (config.ConfigException, OSError) as error:
        raise InferenceError(
            "No usable kubeconfig", str(error), "Set KUBECONFIG or the option kubeconfig to a readable file."
        ) from error
    return Cluster(settings, namespace)


def api_error(status: int, body: Any) -> InferenceError:
    """Turn a refusal of the API server into an error with its own words."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = f"status {status}"
    if status in (401, 403):
        remedy = "Give the account this verb on this resource in the namespace."
        return ForbiddenError("The Kubernetes API forbids to look", message, remedy)
    return UnreachableError("The Kubernetes API answered with an error", message)


def refusal(reason: str) -> str:
    """Return what counts of a refused handshake: the API server's own message, where its Status is at the end."""
    try:
        return str(json.loads(reason[reason.index('{"kind":"Status"') :].split("\n")[0])["message"])
    except (ValueError, KeyError):
        return reason.split("-+-+-")[0].strip()


def newest_replicaset(replicasets: Sequence[dict[str, Any]], deployment: Mapping[str, Any]) -> str | None:
    """Return the uid of the ReplicaSet that holds a Deployment's newest revision."""
    own = [each for each in replicasets if owned_by(each, deployment["metadata"]["uid"])]
    revision = deployment["metadata"].get("annotations", {}).get(REVISION)
    named = [each for each in own if each["metadata"].get("annotations", {}).get(REVISION) == revision]
    return str(named[0]["metadata"]["uid"]) if named and revision else None


def owned_by(item: Mapping[str, Any], uid: str | None) -> bool:
    """Tell whether an object belongs to the owner with this uid."""
    return any(owner.get("uid") == uid for owner in item["metadata"].get("ownerReferences", ()))


def read_workload(deployment: Mapping[str, Any], pods: tuple[Pod, ...], oversized: str) -> Workload:
    """Read what counts of a Deployment's spec and status."""
    status = deployment.get("status", {})
    blocked = [
        condition.get("message", "")
        for condition in status.get("conditions", ())
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
    ]
    return Workload(
        found=True,
        observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
        desired=deployment["spec"].get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        blocked=blocked[0] if blocked else "",
        oversized=oversized,
        pods=pods,
    )


def read_pod(pod: Mapping[str, Any]) -> Pod:
    """Read what counts of a pod: its conditions and its main container."""
    status = pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    container: dict[str, Any] = next(iter(status.get("containerStatuses", ())), {})
    state, last = container.get("state", {}), container.get("lastState", {})
    ended = state.get("terminated") or last.get("terminated") or {}
    waiting = state.get("waiting", {})
    scheduled = conditions.get("PodScheduled", {})
    ports = pod["spec"]["containers"][0].get("ports", [{}])
    return Pod(
        name=pod["metadata"]["name"],
        scheduled=bool(pod["spec"].get("nodeName")),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        pulled=bool(container.get("imageID")) or "running" in state,
        running="running" in state,
        started=bool(container.get("started")),
        ready=conditions.get("Ready", {}).get("status") == "True",
        terminating="deletionTimestamp" in pod["metadata"],
        restarts=container.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        exit_code=ended.get("exitCode"),
        exit_reason=ended.get("reason", ""),
        port=ports[0].get("containerPort", 8000),
    )
