# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples property-based tests try: a fixed sample by default, many new ones in a soak (tests/soak.py)."""

from __future__ import annotations

import os

from hypothesis import settings

# A shared machine can stall in the middle of an example, which says nothing about the code.
settings.register_profile("sample", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("soak", max_examples=int(os.environ.get("SOAK_EXAMPLES", "5000")), deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "sample"))
