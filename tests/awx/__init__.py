# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX: the parts of its API that the collection uses, with AWX's answers."""
