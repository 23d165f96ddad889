# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a real control plane, a database, a cache, fake GPU nodes and a router, on this machine's loopback."""
