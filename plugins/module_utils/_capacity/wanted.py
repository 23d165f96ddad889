# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods are to start: out of a workload, out of a manifest, or as they are given. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.ai_aas.inference.plugins.module_utils._capacity.resources import (
    is_device,
    limits_of,
    requests_of,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InvalidInputError

Json = Mapping[str, Any]

KINDS = ("Deployment", "StatefulSet")
LISTS = ("containers", "initContainers", "tolerations", "volumes")


class Wanted(NamedTuple):
    """Pods of one kind; how many is None if nobody says so. A StatefulSet ends a pod before it makes the next."""

    spec: dict[str, Any]
    replicas: int | None
    can_surge: bool = True


def wanted_of(
    workload: Json | None, manifest: str | None, pod_spec: Json | None, replicas: int | None
) -> Wanted | None:
    """The pods that are asked about, or None if the question is about none.

    Args:
        workload: a Deployment or a StatefulSet.
        manifest: YAML with one.
        pod_spec: of the pods.
        replicas: how many of them, if somebody says so.

    Raises:
        InvalidInputError: what is given is not what it should be.
    """
    if workload is not None:
        found = of_workload(workload)
    elif manifest is not None:
        found = of_manifest(manifest)
    elif pod_spec is not None:
        found = Wanted(checked(pod_spec), None)
    else:
        return None
    if replicas is not None:
        found = found._replace(replicas=replicas)
    if found.replicas is not None and found.replicas < 0:
        raise InvalidInputError("Invalid replicas", "they are less than 0", "Say how many pods shall run.")
    return found


def of_workload(workload: Json) -> Wanted:
    """The pods of a Deployment or a StatefulSet.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        spec, replicas = workload["spec"]["template"]["spec"], workload["spec"].get("replicas")
        count = None if replicas is None else int(replicas)
    except (KeyError, TypeError, ValueError, AttributeError):
        told = "it has no spec.template.spec, or its replicas are no number"
        raise InvalidInputError("Invalid workload", told, "Give a Deployment or a StatefulSet as rendered.") from None
    return Wanted(checked(spec), count, workload.get("kind") != "StatefulSet")


def of_manifest(manifest: str) -> Wanted:
    """The pods of the one workload of a manifest that requests a device, or else of its only workload.

    Raises:
        InvalidInputError: it is no YAML, or there is no such workload, or there are several.
    """
    import yaml

    try:
        documents = [each for each in yaml.safe_load_all(manifest) if isinstance(each, dict)]
    except yaml.YAMLError as error:
        why = str(error).replace("\n", " ")
        raise InvalidInputError("Invalid manifest", why, "Give it as `helm template` renders it.") from error
    workloads = [each for each in documents if each.get("kind") in KINDS]
    with_device = [each for each in workloads if any(is_device(name) for name in requests_of(of_workload(each).spec))]
    chosen = with_device or workloads
    if len(chosen) != 1:
        names = ", ".join(f"{each['kind']} {(each.get('metadata') or {}).get('name', '')}" for each in chosen)
        why = f"it has {names} to choose from" if chosen else f"it has no {' or '.join(KINDS)}"
        raise InvalidInputError("Cannot tell from the manifest what is to start", why, "Give pod_spec and replicas.")
    return of_workload(chosen[0])


def checked(spec: object) -> dict[str, Any]:
    """A pod's spec, seen to have the shape of one where its amounts and places are read.

    Raises:
        InvalidInputError: it has not.
    """
    remedy = "Give the spec of a pod, as a workload has it at spec.template.spec."
    if not isinstance(spec, dict) or not spec.get("containers"):
        raise InvalidInputError("Invalid pod spec", "it has no containers", remedy)
    for name in LISTS:
        if not _is_list_of_maps(spec.get(name) or []):
            raise InvalidInputError("Invalid pod spec", f"{name} is no list of maps", remedy)
    try:
        requests_of(spec), limits_of(spec)
    except (AttributeError, TypeError, ValueError):
        raise InvalidInputError("Invalid pod spec", "its resources are no maps of quantities", remedy) from None
    return spec


def not_counted(spec: Json) -> Iterator[str]:
    """What of a pod the scheduler would look at besides."""
    affinity = spec.get("affinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    found = {
        "topology spread": any(
            each.get("whenUnsatisfiable") != "ScheduleAnyway" for each in spec.get("topologySpreadConstraints") or ()
        ),
        "pod affinity": (affinity.get("podAffinity") or {}).get(required),
        "pod anti-affinity": (affinity.get("podAntiAffinity") or {}).get(required),
        "resource claims": spec.get("resourceClaims"),
        "volumes that some nodes alone can mount": any(
            kind in each for each in spec.get("volumes") or () for kind in ("persistentVolumeClaim", "ephemeral")
        ),
        "preemption by priority": spec.get("priorityClassName"),
        "host ports": any(port.get("hostPort") for port in _ports(spec)),
        "scheduling gates": spec.get("schedulingGates"),
        f"rules of scheduler {spec.get('schedulerName')}": spec.get("schedulerName", "default-scheduler")
        != "default-scheduler",
        f"overhead and nodes of runtime class {spec.get('runtimeClassName')}": spec.get("runtimeClassName"),
    }
    return (name for name, value in found.items() if value)


def _ports(spec: Json) -> Iterator[Json]:
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        yield from container.get("ports") or ()


def _is_list_of_maps(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(each, Mapping) for each in value)
