# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of the lab for Deployments that serve models, well or badly, and the module's answer about them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.readiness import wait_until_ready
from ansible_collections.ai_aas.inference.plugins.modules import vllm_ready

from tests.integration.lab.pods import Pods, probe, vllm
from tests.lab.kubelet.api import Api, ApiError

Json = dict[str, Any]

MODEL = "a"
PATIENCE = 30.0
POLL_SECONDS = 0.02


def container(*arguments: str, **more: Any) -> Json:
    """A server of the model `a` that is loaded in 0.3 s, and probed each second."""
    probes = {"startupProbe": probe(failureThreshold=60), "readinessProbe": probe()}
    return vllm(*arguments, **{**probes, **more})


def document(release: str, *containers: Json, pod: Mapping[str, Any] | None = None, **spec: Any) -> Json:
    """A Deployment with the label of a release."""
    labels = {"app.kubernetes.io/instance": release}
    inside = {
        "containers": list(containers or (container(),)),
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        **(pod or {}),
    }
    template = {"metadata": {"labels": labels}, "spec": inside}
    whole = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template, **spec}
    metadata = {"name": release, "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": whole}


class Deployments:
    """Those of one namespace."""

    def __init__(self, api: Api, kubeconfig: str, namespace: str) -> None:
        self.api, self.kubeconfig, self.namespace = api, kubeconfig, namespace
        self.path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.pods = Pods(api, kubeconfig, namespace)

    def create(self, release: str, *containers: Json, pod: Mapping[str, Any] | None = None, **spec: Any) -> None:
        """Make a Deployment with the label of a release."""
        self.api.request("POST", self.path, document(release, *containers, pod=pod, **spec))

    def patch(self, release: str, spec: Json) -> None:
        self.api.request("PATCH", f"{self.path}/{release}", {"spec": spec})

    def delete(self, release: str) -> None:
        """Ask for its end, with its pods'."""
        try:
            self.api.request("DELETE", f"{self.path}/{release}", {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404:
                raise

    def get(self, release: str) -> Json:
        return self.api.request("GET", f"{self.path}/{release}")

    def pods_of(self, release: str) -> list[Json]:
        """Its pods that are not ending."""
        selector = f"labelSelector=app.kubernetes.io%2Finstance%3D{release}"
        found: list[Json] = self.api.request("GET", f"{self.pods.path}/pods?{selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def wait(self, release: str, condition: Callable[[list[Json]], Any], seconds: float = PATIENCE) -> list[Json]:
        """Its pods as soon as they are so."""
        deadline = time.monotonic() + seconds
        while not condition(found := self.pods_of(release)):
            assert time.monotonic() < deadline, json.dumps([pod.get("status") for pod in found], indent=1)
            time.sleep(POLL_SECONDS)
        return found

    def wait_available(self, release: str) -> None:
        """Until the Deployment says that all its replicas are there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.get(release)
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
            if seen and counts == {wanted}:
                return
            assert time.monotonic() < deadline, status
            time.sleep(POLL_SECONDS)

    def address(self, release: str) -> str:
        """The URL at which this machine reaches the server of a release's one pod."""
        (pod,) = self.pods_of(release)
        path = f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{self.namespace}/portforwards/{pod['metadata']['name']}"
        target = self.api.request("GET", path)["spec"]["forwards"][0]["target"]
        return f"http://{target['address']}:{target['port']}"

    def misbehave(self, release: str, fault: str | None, which: slice = slice(None)) -> None:
        """Switch the stand-ins of a release's pods, or of some of them by name, to a fault, or (None) back."""
        for pod in sorted(self.pods_of(release), key=lambda pod: str(pod["metadata"]["name"]))[which]:
            with self.pods.forward(pod["metadata"]["name"]) as url:
                body = json.dumps({"fault": fault}).encode()
                with urllib.request.urlopen(f"{url}/_lab/fault", body, timeout=10) as answer:
                    assert answer.status == 200

    def parameters(self, release: str, **params: Any) -> Json:
        """The module's, with all defaults, for a release that serves `a`."""
        given = {"model": MODEL, "release": release, "namespace": self.namespace, "kubeconfig": self.kubeconfig}
        return parameters(**{**given, **params})

    def ready(self, release: str, *, once: bool = False, **params: Any) -> Json:
        """What vllm_ready returns, also where it fails."""
        return ready(self.parameters(release, **params), once=once)


def parameters(**params: Any) -> Json:
    """The module's with all defaults."""
    defaults = {name: option.get("default") for name, option in vllm_ready.ARGUMENTS.items()}
    if params.get("releases"):
        nothing: Json = dict.fromkeys(vllm_ready.MODEL)
        params["releases"] = [{**nothing, **each} for each in params["releases"]]
    return {**defaults, "timeout": 20.0, **params}


def ready(params: Mapping[str, Any], *, once: bool = False) -> Json:
    """What the module returns for these parameters, also where it fails; `failed` is its message then."""
    try:
        return wait_until_ready(params, set(), once=once)
    except InferenceError as error:
        return {**error.result, "failed": error.message}
