# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.awx.resources import ENDPOINT_OF
from tests.awx.rules import RefusedError
from tests.awx.store import Item, Store

FORBIDDEN = {"detail": "You do not have permission to perform this action."}
UNKNOWN = {
    "detail": "Authentication credentials were not provided. To establish a login session, visit /api/login/.",
}


@dataclass
class Access:
    """The tokens of users, each with a scope, `read` or `write`."""

    store: Store
    tokens: dict[str, tuple[int, str]] = field(default_factory=dict)

    def user_of(self, token: str, writing: bool) -> Item:
        if token not in self.tokens:
            raise RefusedError(401, UNKNOWN)
        number, scope = self.tokens[token]
        if writing and scope != "write":
            raise RefusedError(403, FORBIDDEN)
        return self.store.get("users", number)

    def require_administrator(self, user: Item) -> None:
        if not user["is_superuser"]:
            raise RefusedError(403, FORBIDDEN)

    def sees(self, user: Item, item: Item) -> bool:
        """Administrators see everything, others what their teams hold a role on, or what their organization lets."""
        if user["is_superuser"] or item is user or item["type"] == "credential_type":
            return True
        held = self._held(user)
        endpoint = ENDPOINT_OF[item["type"]]
        if any(role[:2] == (endpoint, item["id"]) for role in held):
            return True
        organization = item["id"] if endpoint == "organizations" else item.get("organization")
        return any(("organizations", organization, f"{role}_role") in held for role in ("admin", "auditor"))

    def _held(self, user: Item) -> set[tuple[str, int, str]]:
        teams = [team for team, members in self.store.members.items() if user["id"] in members]
        numbers = {number for team in teams for number in self.store.held[team]}
        return {self.store.roles[number] for number in numbers if number in self.store.roles}
