# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that all modules of the registry share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database_url:
    description:
      - Connection string of the registry's database, C(postgresql://user:password@host:port/dbname), with any
        parameters that libpq knows (for example C(?sslmode=verify-full)).
      - "The characters C(@ : / ? # %) in a user or password must be percent-encoded."
      - Taken from the environment variable E(DATABASE_URL) when neither it nor a C(login_*) option is given.
    type: str
  login_host:
    description:
      - Host of the database. The C(login_*) options exclude O(database_url).
    type: str
  login_unix_socket:
    description:
      - Directory of a Unix socket, instead of O(login_host).
    type: str
  login_port:
    description:
      - Port of the database, used with the other C(login_*) options.
    type: int
    default: 5432
  login_user:
    description:
      - User of the database.
    type: str
  login_password:
    description:
      - Password of O(login_user).
    type: str
  login_db:
    description:
      - Name of the database.
    type: str
  ssl_mode:
    description:
      - Whether the connection must be, or may be, protected by TLS. Overrides C(sslmode) in O(database_url).
      - When not set, libpq's own default holds, which is V(prefer).
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description:
      - File with the certificate authorities that may have signed the server's certificate.
    type: path
  ssl_cert:
    description:
      - File with the client's certificate.
    type: path
  ssl_key:
    description:
      - File with the key of O(ssl_cert).
    type: path
  connect_timeout:
    description:
      - Seconds until an attempt to connect to the database or to the cache is given up.
      - A C(connect_timeout) in O(database_url) has precedence.
    type: int
    default: 5
  statement_timeout:
    description:
      - Seconds until a statement is given up, the wait for other sessions included.
    type: float
    default: 30.0
  retry_timeout:
    description:
      - Seconds over which another connection is tried for when one broke off, as in a fail-over. Work that was
        interrupted is done again as a whole; where the answer to the commit got lost, the server is asked whether it
        took place. A first connection that is refused is not tried again.
    type: float
    default: 10.0
requirements:
  - psycopg2 (C(psycopg2-binary)) 2.9 or later
notes:
  - "Sufficient rights of the database role: C(GRANT USAGE ON SCHEMA <schema> TO <role>;)
    C(GRANT SELECT, INSERT, UPDATE ON <schema>.model_registry_entries TO <role>;), and C(DELETE) to purge. Reading needs
    C(SELECT) alone, and reading the history C(GRANT SELECT ON <schema>.model_registry_history TO <role>;). On a table
    without the collection's triggers, keeping the history needs C(INSERT) on C(model_registry_history), or
    C(GRANT CREATE ON SCHEMA <schema> TO <role>;) once to make it. A missing right is named in the error."
  - The table is found by the role's C(search_path).
  - A change needs the primary server, also in check mode. A replica is refused; of several hosts in O(database_url) the
    one that takes changes is chosen.
  - Works behind connection pools such as PgBouncer in transaction mode, since it leaves nothing in the session.
  - Passwords, also the one inside O(database_url), never appear in results, differences, warnings or errors.
"""

    # The router's cache, for modules that change entries.
    CACHE = r"""
options:
  redis_url:
    description:
      - Address of the Redis or Valkey in which the router keeps its routes,
        C(redis://user:password@host:port/database), or C(rediss://) for TLS. TLS takes the parameters
        C(ssl_ca_certs), C(ssl_certfile), C(ssl_keyfile), C(ssl_cert_reqs) and C(ssl_check_hostname) as redis-py does.
      - After the commit the entry's key C(model_registry:<environment>:<model_name>) is deleted there, also when
        nothing was changed, since an earlier run may have died before it could.
      - If it cannot be reached the change stands, the result says C(cache=stale), and a warning tells how long routers
        may use the old route.
      - Taken from the environment variable E(REDIS_URL) when it is not given. Without either no cache is touched.
    type: str
  cache_settle:
    description:
      - Seconds after which the key is deleted once more when a route was taken away or moved, because a router that
        had read the old row just before the change can put it back. V(0) turns the second time off.
    type: float
    default: 0.5
"""

    # Who makes a change, and why: kept in the history.
    PROVENANCE = r"""
options:
  actor:
    description:
      - Who makes the change. The account of the operating system by default; the database role is kept in any case.
    type: str
  reason:
    description:
      - Why the change is made.
    type: str
  job:
    description:
      - The job that makes the change, for example C(awx_job_id) and C(awx_workflow_job_id) with their numbers.
    type: dict
notes:
  - "The history is kept in the table C(model_registry_history). On the collection's own table and on an adopted one
    triggers write it, whoever makes the change and however. On any other table the module writes its own changes in the
    same transaction; what other tools change there is not in it, and where the role may neither write nor make the
    table the result says C(history=unavailable)."
  - Times of health checks are not in the history.
  - Every change is announced by C(NOTIFY model_registry_changed) with a JSON object of C(operation), C(model_name) and
    C(environment); on a table without the collection's triggers only the collection's own changes are.
"""
