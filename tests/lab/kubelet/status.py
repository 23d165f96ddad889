# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod's status as a kubelet writes it. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.lab.kubelet.images import image_id, normalise

Json = dict[str, Any]


# Both lists of addresses are merged by address otherwise, and the old one stays.
REPLACE = {"$patch": "replace"}


@dataclass
class Record:
    """What is known of one container."""

    name: str
    image: str
    is_init: bool = False
    is_sidecar: bool = False
    state: Json = field(default_factory=dict)
    last_state: Json = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restart_count: int = 0
    container_id: str = ""
    pulled: bool = False

    @property
    def exit_code(self) -> int | None:
        """Of the run that has ended and is not to be followed by another; None before that."""
        ended = self.state.get("terminated")
        return None if ended is None else ended["exitCode"]


@dataclass
class View:
    """All that a pod's status is made from."""

    pod: Json
    records: list[Record]
    pod_ip: str = ""
    host_ip: str = ""
    start_time: str = ""
    is_final: bool = False
    """All containers have ended, and the pod is being deleted."""


def timestamp(moment: float) -> str:
    """Seconds since 1970 as Kubernetes writes them."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_container_id(pod_uid: str, name: str, run: int) -> str:
    """Another one for each run."""
    return "containerd://" + hashlib.sha256(f"{pod_uid}/{name}/{run}".encode()).hexdigest()


def waiting(reason: str, message: str = "") -> Json:
    """A state."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(code: int, reason: str, started: str, finished: str, container_id: str, message: str = "") -> Json:
    """A state."""
    state = {
        "exitCode": code,
        "reason": reason,
        "startedAt": started,
        "finishedAt": finished,
        "containerID": container_id,
    }
    return {"terminated": {**state, **({"message": message} if message else {})}}


def adopt(record: Record, status: Json, now: float) -> None:
    """Go on from what an earlier kubelet wrote; what ran then was lost with it."""
    record.restart_count = status.get("restartCount", 0)
    record.last_state = status.get("lastState", {})
    record.container_id = status.get("containerID", "")
    record.state = status.get("state", {})
    record.pulled = bool(status.get("imageID"))
    if running := record.state.get("running"):
        begin = running.get("startedAt", timestamp(now))
        record.state = terminated(255, "Unknown", begin, timestamp(now), record.container_id)


def phase(view: View) -> str:
    """Pending, Running, Succeeded or Failed, by the kubelet's rules."""
    policy = view.pod["spec"].get("restartPolicy", "Always")
    if view.is_final and all(record.exit_code is not None for record in view.records if not record.is_init):
        codes = [record.exit_code for record in view.records if not record.is_init]
        return "Failed" if any(codes) else "Succeeded"
    inits = [record for record in view.records if record.is_init]
    if any(record.exit_code for record in inits) and policy == "Never":
        return "Failed"
    if not all(is_initialised(record) for record in inits):
        return "Pending"
    main = [record for record in view.records if not record.is_init]
    if any("waiting" in record.state and not record.last_state for record in main):
        return "Pending"
    if policy == "Always" or any(record.exit_code is None for record in main):
        return "Running"
    if not any(record.exit_code for record in main):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def is_initialised(record: Record) -> bool:
    """Whether an init container lets the next one begin."""
    return record.started if record.is_sidecar else record.exit_code == 0


def conditions(view: View, now: float) -> list[Json]:
    """All conditions that a kubelet owns; the time of those that did not change is kept."""
    ended = phase(view)
    incomplete = [record.name for record in view.records if record.is_init and not is_initialised(record)]
    unready = [record.name for record in view.records if not record.ready and (not record.is_init or record.is_sidecar)]
    initialised = _condition("Initialized", not incomplete or ended == "Succeeded")
    if incomplete:
        text = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialised = _condition("Initialized", False, "ContainersNotInitialized", text)
    containers = _condition("ContainersReady", True)
    if ended in ("Succeeded", "Failed"):
        containers = _condition("ContainersReady", False, "PodCompleted" if ended == "Succeeded" else "PodFailed")
    elif unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        containers = _condition("ContainersReady", False, "ContainersNotReady", text)
    sandbox = _condition("PodReadyToStartContainers", bool(view.pod_ip) and not view.is_final)
    found = [sandbox, initialised, _ready(view.pod, containers), containers]
    before = {entry["type"]: entry for entry in view.pod.get("status", {}).get("conditions", [])}
    return [_with_time(entry, before.get(entry["type"]), now) for entry in found]


def _condition(kind: str, status: bool, reason: str | None = None, message: str | None = None) -> Json:
    # null clears what an earlier status said, since conditions are merged by type.
    return {"type": kind, "status": "True" if status else "False", "reason": reason, "message": message}


def _ready(pod: Json, containers: Json) -> Json:
    if containers["status"] != "True":
        return {**containers, "type": "Ready"}
    given = {entry["type"]: entry["status"] for entry in pod.get("status", {}).get("conditions", [])}
    problems = []
    for gate in pod["spec"].get("readinessGates", []):
        name = gate["conditionType"]
        if name not in given:
            problems.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif given[name] != "True":
            problems.append(f'the status of pod readiness gate "{name}" is not "True", but {given[name]}')
    if problems:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(problems))
    return _condition("Ready", True)


def _with_time(entry: Json, before: Json | None, now: float) -> Json:
    if before and before["status"] == entry["status"] and before.get("lastTransitionTime"):
        return {**entry, "lastTransitionTime": before["lastTransitionTime"]}
    return {**entry, "lastTransitionTime": timestamp(now)}


def container_status(record: Record) -> Json:
    """One entry of containerStatuses."""
    return {
        "name": record.name,
        "image": normalise(record.image) if record.pulled else record.image,
        "imageID": image_id(record.image) if record.pulled else "",
        "containerID": record.container_id,
        "state": record.state,
        "lastState": record.last_state,
        "ready": record.ready,
        "started": record.started,
        "restartCount": record.restart_count,
    }


def build_status(view: View, now: float) -> Json:
    """The whole status, for a strategic merge patch."""
    status: Json = {
        "phase": phase(view),
        "observedGeneration": view.pod["metadata"].get("generation"),
        "hostIP": view.host_ip,
        "hostIPs": [REPLACE, {"ip": view.host_ip}],
        "startTime": view.start_time,
        "conditions": conditions(view, now),
        "containerStatuses": [container_status(record) for record in view.records if not record.is_init],
    }
    if view.pod_ip:
        status |= {"podIP": view.pod_ip, "podIPs": [REPLACE, {"ip": view.pod_ip}]}
    if any(record.is_init for record in view.records):
        status["initContainerStatuses"] = [container_status(record) for record in view.records if record.is_init]
    return status
