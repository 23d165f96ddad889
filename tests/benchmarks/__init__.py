# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: ours beside a reference in the same run. They fail on a wrong result, never on a slow one."""
