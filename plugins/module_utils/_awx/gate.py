# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which approval a change needs, and whether it has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.ai_aas.inference.plugins.module_utils._awx.approval import (
    judge_run,
    judge_variables,
    refuse,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.controller import Controller
from ansible_collections.ai_aas.inference.plugins.module_utils._awx.signed import (
    Execute,
    judge_signed,
    read_signed,
)
from ansible_collections.ai_aas.inference.plugins.module_utils._helm.identity import digest_of


def approval(params: Mapping[str, Any], execute: Execute) -> dict[str, Any]:
    """Decide whether a module's parameters approve a change, and return its result.

    Raises:
        InferenceError: they do not; says why, and what to do.
    """
    identity = digest_of(params["identity"])
    result = {"changed": False, "identity_hash": identity, "launched_by": "", "reason": ""}
    if params["policy"] == "none":
        return {**result, "how": "none", "approved_by": "", "approved_at": ""}
    if params["workflow_job"]:
        return {**result, **by_workflow(params, identity)}
    if params["approval_file"]:
        return {**result, **by_signature(params, identity, execute)}
    if params["policy"] == "signed":
        refuse(
            f"{params['environment']} wants a signed approval",
            f"Have somebody sign one for {params['model_name']} with the identity {identity}, and set approval_file.",
        )
    judge_variables(params["model_name"], identity, params["approval_identity"], params["approval_reason"])
    return {**result, "how": "stated", "approved_by": "", "approved_at": "", "reason": params["approval_reason"]}


def by_workflow(params: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """What the controller says of the workflow's run."""
    host, token = params["controller_host"], params["controller_token"]
    if not host or not token:
        refuse(
            f"nothing says how to ask the controller about workflow job {params['workflow_job']}",
            "Attach a credential that sets CONTROLLER_HOST and CONTROLLER_OAUTH_TOKEN to the job template.",
        )
    run = Controller(host, token, validate_certs=params["validate_certs"]).run(params["workflow_job"])
    granted = judge_run(run, params["model_name"], identity, datetime.now(UTC), timedelta(hours=params["max_age"]))
    who = {"launched_by": granted.launched_by, "approved_by": granted.approved_by}
    return {"how": "workflow", **who, "approved_at": granted.at}


def by_signature(params: Mapping[str, Any], identity: str, execute: Execute) -> dict[str, Any]:
    """What somebody has signed."""
    if not params["approval_keyring"]:
        refuse("approval_keyring is not set", "Name the file with the public keys of those who may approve.")
    signed = read_signed(execute, "gpgv", params["approval_file"], params["approval_keyring"])
    longest = timedelta(hours=params["max_age"])
    environment, model = params["environment"], params["model_name"]
    reason = judge_signed(signed, environment, model, identity, datetime.now(UTC), longest)
    return {"how": "signed", "approved_by": signed.key, "approved_at": signed.at.isoformat(), "reason": reason}
