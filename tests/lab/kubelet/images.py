# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images can be pulled, and what the kubelet says about the others. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?)"
REFERENCE = re.compile(rf"(?:{HOST}/)?{NAME}(?:/{NAME})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?")


class ImageProblem(NamedTuple):
    """Why a container waits."""

    reason: str
    message: str
    can_heal: bool
    """Whether the kubelet pulls again, with a back-off."""


def check_image(image: str, policy: str, has_pull_secret: bool) -> ImageProblem | None:
    """None when the image is there or can be pulled."""
    if not REFERENCE.fullmatch(image):
        parsing = f'couldn\'t parse image name "{image}": invalid reference format'
        text = f'Failed to apply default image tag "{image}": {parsing}'
        return ImageProblem("InvalidImageName", text, can_heal=False)
    cause = pull_failure(image, has_pull_secret)
    if cause is None:
        return None
    if policy == "Never":
        text = f'Container image "{image}" is not present with pull policy of Never'
        return ImageProblem("ErrImageNeverPull", text, can_heal=False)
    return ImageProblem("ErrImagePull", cause, can_heal=True)


def pull_failure(image: str, has_pull_secret: bool) -> str | None:
    """The runtime's words when it cannot pull."""
    full = normalise(image)
    head = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}": '
    host, _unused, path = full.partition("/")
    if host == "registry.invalid":
        url = f"https://{host}/v2/{path.rpartition(':')[0]}/manifests/{path.rpartition(':')[2]}"
        return f'{head}failed to do request: Head "{url}": dial tcp: lookup {host}: no such host'
    if "private" in full and not has_pull_secret:
        return (
            f"{head}failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
            f"https://{host}/token?scope=repository%3A{path.rpartition(':')[0]}%3Apull: 401 Unauthorized"
        )
    if ":missing" in image:
        return f"rpc error: code = NotFound desc = {head}{full}: not found"
    return None


def normalise(image: str) -> str:
    """The full reference, with registry and tag."""
    first, slash, _unused = image.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        image = f"docker.io/{image}" if slash else f"docker.io/library/{image}"
    return image if re.search(r"[:@][^/]*$", image) else f"{image}:latest"


def image_id(image: str) -> str:
    """A made digest, always the same for one name."""
    full = normalise(image)
    if "@" in full:
        return full
    return f"{full.rpartition(':')[0]}@sha256:{hashlib.sha256(full.encode()).hexdigest()}"


def pull_policy(container_policy: str | None, image: str) -> str:
    """The policy, with the API server's default."""
    return container_policy or ("Always" if normalise(image).endswith(":latest") else "IfNotPresent")
