# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plugin on the controller says when it fails: our message, as the error that Ansible expects there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ansible.errors import AnsibleError
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError


@contextmanager
def failing_as(kind: type[AnsibleError]) -> Iterator[None]:
    """Turn every failure into an error of this kind, without the one that caused it."""
    try:
        yield
    except InferenceError as error:
        raise kind(error.message) from None
    except AnsibleError:
        raise
    except Exception as error:
        # The text of an unforeseen error can hold a secret, so only its kind is told.
        message = f"Unforeseen {type(error).__name__}. This is a defect of ai_aas.inference: please report it."
        raise kind(message) from None
