# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.ai_aas.inference.plugins.module_utils._errors import InferenceError

from .conftest import ADMIN_PASSWORD


def message_of(call: Callable[[], object]) -> str:
    """The message of what must fail, without the password."""
    with pytest.raises(InferenceError) as caught:
        call()
    assert ADMIN_PASSWORD not in caught.value.message
    return caught.value.message
