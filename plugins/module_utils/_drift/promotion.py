# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what was verified in the environment before, and refuses to promote anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.ai_aas.inference.plugins.module_utils._drift.cluster import read_namespaces
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.judge import edited, ready_pods, serving
from ansible_collections.ai_aas.inference.plugins.module_utils._drift.running import Running
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.promotion import differences, source_of, unpinned
from ansible_collections.ai_aas.inference.plugins.module_utils._registry import table
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.connection import database_from
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.entry import Entry
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.layout import layout_of
from ansible_collections.ai_aas.inference.plugins.module_utils._registry.transaction import Timings, run
from ansible_collections.ai_aas.inference.plugins.module_utils._vllm.kube import Kube

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

Json = Mapping[str, Any]

# Under which key of an entry's metadata a deploy keeps what it has verified.
VERIFIED = "verified"


def promotion(params: Mapping[str, Any]) -> dict[str, Any]:
    """Decide whether a model may be promoted, and return the module's result.

    Raises:
        InferenceError: it may not; the message says why, and the result what differs.
    """
    source = source_of(params["environment"])
    name = params["model_name"]
    entry = read_entry(params, name, source)
    verified = verified_in(entry, name, source)
    looked = params["source_kubeconfig"] is not None
    found = [f"in {source}, {each}" for each in (source_findings(params, verified) if looked else ())]
    found += differences(verified["identity"], params["identity"])
    found += unpinned(params["identity"])
    result = {
        "changed": False,
        "source": source,
        "verified": dict(verified),
        "differences": found,
        "looked_at_source": looked,
    }
    if found:
        raise InferenceError(
            f"Model {name} cannot be promoted from {source} to {params['environment']}",
            "; ".join(found),
            f"Bring {params['environment']} to what was verified, or deploy it in {source} as it is to be.",
            result,
        )
    return result


def read_entry(params: Mapping[str, Any], name: str, environment: str) -> Entry | None:
    """The entry of the environment before."""

    def work(cursor: Cursor) -> Entry | None:
        return table.read_entry(cursor, layout_of(cursor), name, environment, lock=False)

    return run(database_from(params), work, Timings(), access="read")


def verified_in(entry: Entry | None, name: str, source: str) -> Json:
    """What the entry says was verified.

    Raises:
        InferenceError: nothing was, or it is not routed to.
    """
    what = f"Model {name} cannot be promoted"
    if entry is None:
        raise InferenceError(what, f"it is not registered in {source}", f"Deploy it in {source} first.")
    if entry.status != "ready":
        raise InferenceError(
            what, f"it is {entry.status} in {source}", f"Bring it to work in {source} first, or find out why it is so."
        )
    metadata = entry.metadata if isinstance(entry.metadata, Mapping) else {}
    verified = metadata.get(VERIFIED)
    if not isinstance(verified, Mapping) or not isinstance(verified.get("identity"), Mapping):
        raise InferenceError(
            what,
            f"its entry in {source} does not say what was verified",
            f"Deploy it in {source} with this collection: the entry's metadata then hold it.",
        )
    return verified


def source_findings(params: Mapping[str, Any], verified: Json) -> list[str]:
    """What has changed in the environment before since the model was verified there.

    Raises:
        InferenceError: its cluster cannot be looked at.
    """
    namespace, release = str(verified.get("namespace")), str(verified.get("release"))
    kube = Kube(params["source_kubeconfig"], params["source_context"])
    running = read_namespaces(kube, [namespace])[namespace].releases.get(release, Running())
    if running.release is None:
        return [f"there is no release {release} in namespace {namespace}"]
    if running.release.revision != verified.get("revision"):
        return [f"revision {running.release.revision} is there, and {verified.get('revision')} was verified"]
    findings = [each.what for each in serving(running, ready_pods(running.live.values()), verified=True)]
    return [*edited(running, ()), *findings]
