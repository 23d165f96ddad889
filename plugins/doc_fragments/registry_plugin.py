# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of the registry have on the controller alone, where plugins read them."""

from __future__ import annotations


class ModuleDocFragment:
    # Named before the fragment `registry`, its options replace the ones there, and all others come from there.
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - Connection string of the registry's database, C(postgresql://user:password@host:port/dbname), with any
        parameters that libpq knows (for example C(?sslmode=verify-full)).
      - "The characters C(@ : / ? # %) in a user or password must be percent-encoded."
      - Taken from the environment variable E(DATABASE_URL) when neither it nor a C(login_*) option is given.
    type: str
    env:
      - name: DATABASE_URL
notes:
  - Runs on the controller, so the Python that runs Ansible needs psycopg2.
"""
