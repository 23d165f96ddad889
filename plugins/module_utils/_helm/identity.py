# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exactly a release's revision is: the things that must be the same for it to be the same. Pure."""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.plan import DEPLOY_ID

Json = Mapping[str, Any]

# Files at a chart's top level that no template reads.
BESIDE = re.compile(r"\.[^/]*|[^/]*\.md|LICENSE|(?:values|profile)-[^/]*\.yaml")


def stored_release(secret: Json) -> dict[str, Any]:
    """What Helm keeps of a revision in a Secret: JSON, compressed, and encoded once by Helm and once by Kubernetes.

    Raises:
        InferenceError: it holds something else.
    """
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"], validate=True), validate=True)
        document: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (KeyError, TypeError, ValueError, binascii.Error, OSError, EOFError) as error:
        name = (secret.get("metadata") or {}).get("name", "without a name")
        raise InferenceError(
            f"Secret {name} holds no release of Helm", type(error).__name__, "See `helm history`."
        ) from error
    return document


def identity_of(release: Json, pods: Sequence[Json]) -> dict[str, Any]:
    """What a revision is made of.

    Args:
        release: as Helm keeps it.
        pods: those that run it, as the Kubernetes API has them; their nodes know which image was pulled.

    Raises:
        InferenceError: no pod says so, or two say different things.
    """
    return {**described(release.get("config") or {}, release["chart"]), "image_digest": image_digest(pods)}


def described(values: Json, chart: Json) -> dict[str, Any]:
    """What values and a chart make. The image's digest is the one that the values pin, or empty.

    Args:
        values: a release's own.
        chart: as Helm keeps and prints it.
    """
    effective = merged(chart.get("values") or {}, values)
    model = effective.get("model") or {}
    return {
        "chart": chart["metadata"]["name"],
        "chart_version": chart["metadata"]["version"],
        "chart_digest": chart_digest(chart),
        "values_hash": values_hash(values),
        "serving_hash": serving_hash(effective),
        "image_digest": (effective.get("image") or {}).get("digest") or "",
        "model": model.get("name", ""),
        "model_revision": model.get("revision", ""),
        "served_names": list(model.get("servedNames") or ()),
    }


def forgotten_release(packed: str) -> str:
    """A copy of what Helm keeps of a revision, as one that another has followed."""
    document = stored_release({"data": {"release": packed}})
    document["info"]["status"] = "superseded"
    return packed_release(document)


def packed_release(document: Json) -> str:
    """The inverse of stored_release: the data of a Secret of Helm."""
    content = base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0))
    return base64.b64encode(content).decode()


def chart_digest(chart: Json) -> str:
    """A digest of all that a chart renders with, wherever it came from.

    Documents beside its templates, and values and profiles of single models, make no difference to a release.
    """
    files = {
        each["name"]: each["data"]
        for part in ("templates", "files")
        for each in chart.get(part) or ()
        if "name" in each and not BESIDE.fullmatch(each["name"])
    }
    held = {name: chart.get(name) for name in ("metadata", "values", "schema")}
    return digest_of({**held, "files": files})


def values_hash(values: Json) -> str:
    """A digest of a release's own values, but for those that a deploy chooses by itself and that change no pod."""
    strategy = {name: value for name, value in (values.get("strategy") or {}).items() if name != "surge"}
    rest = {name: value for name, value in values.items() if name not in (DEPLOY_ID, "strategy")}
    return digest_of({**rest, "strategy": strategy} if strategy else rest)


def serving_hash(effective: Json) -> str:
    """A digest of those values that decide what the model answers, which no environment may change.

    How many replicas there are, where they run, what they may use and who reaches them is an environment's own, and so
    is where weights and image are kept: their revision and their digest say what they are.
    """
    model = {key: value for key, value in (effective.get("model") or {}).items() if key not in ("source", "download")}
    gpus = (effective.get("gpu") or {}).get("count")
    own = {key: effective.get(key) for key in ("lora", "extraArgs", "extraEnv", "leaderWorkerSet")}
    return digest_of({"model": model, "gpus": gpus, **own})


def digest_of(value: object) -> str:
    """The SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def short(digest: str) -> str:
    """As much of a digest as people compare."""
    return digest[:19]


def merged(base: Json, over: Json) -> dict[str, Any]:
    """A chart's defaults under a release's values, by Helm's rules: maps deeply, and null removes."""
    result = dict(base)
    for name, value in over.items():
        before = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(before, Mapping):
            result[name] = merged(before, value)
        else:
            result[name] = value
    return result


def image_digest(pods: Sequence[Json]) -> str:
    """The digest of the model server's image as the nodes pulled it.

    Raises:
        InferenceError: no pod says so, or two say different things.
    """
    ids = {
        status.get("imageID", "").rpartition("@")[2]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
    }
    found: list[str] = sorted(each for each in ids if each.startswith("sha256:"))
    if len(found) != 1:
        raise InferenceError(
            "It cannot be said which image runs",
            f"the pods' nodes say {', '.join(found) or 'nothing'}",
            "Wait until one revision alone runs, or pin image.digest.",
        )
    return found[0]
