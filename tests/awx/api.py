# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of AWX 24.6.1, as far as awx.awx uses it: a method and a path in, a status and a body out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.awx import filters, rules, shapes
from tests.awx.access import Access
from tests.awx.resources import RESOURCES
from tests.awx.rules import RefusedError
from tests.awx.store import Item, Store

VERSION = "24.6.1"
# A credential of each of these kinds can be there several times.
SEVERAL = {"vault"}
Answer = tuple[int, Any]
NOTHING: Answer = (204, None)


class Api:
    """AWX. `handle` answers one request."""

    def __init__(self, store: Store, access: Access) -> None:
        self.store = store
        self.access = access
        self._parts: dict[str, Callable[[str, str, Item, Item], Answer]] = {
            "survey_spec": self._survey,
            "create_approval_template": self._approval,
            "update": self._update,
        }

    def handle(self, method: str, path: str, query: filters.Query, body: Any, token: str) -> Answer:
        try:
            return self._route(method, path.rstrip("/").split("/")[1:], query, body or {}, token)
        except RefusedError as error:
            return error.status, error.body

    def _route(self, method: str, words: list[str], query: filters.Query, body: Item, token: str) -> Answer:
        if words == ["api"]:
            return 200, {"current_version": "/api/v2/", "available_versions": {"v2": "/api/v2/"}}
        if words == ["api", "v2", "ping"]:
            return 200, {"version": VERSION, "ha": False}
        writing = method not in ("GET", "HEAD", "OPTIONS")
        user = self.access.user_of(token, writing)
        if writing:
            self.access.require_administrator(user)
        return self._page(words[2:], query, user) or self._resource(method, words[2:], query, body, user)

    def _page(self, words: list[str], query: filters.Query, user: Item) -> Answer | None:
        """What is only read."""
        match words:
            case []:
                return 200, {endpoint: f"/api/v2/{endpoint}/" for endpoint in RESOURCES}
            case ["config"]:
                return 200, {"version": VERSION}
            case ["me"]:
                return self._list("users", [user], "/api/v2/me/", query, user)
            case ["project_updates"]:
                updates = [self._update_of(number) for number in self.store.updates if ("id", str(number)) in query]
                return 200, filters.page_of("/api/v2/project_updates/", updates, query)
            case ["project_updates", number]:
                # It ends when somebody looks, so that a client that does not wait finds no files.
                self.store.end_update(int(number))
                return 200, self._update_of(int(number))
        return None

    def _resource(self, method: str, words: list[str], query: filters.Query, body: Item, user: Item) -> Answer:
        match words:
            case ["roles", number, "teams"]:
                return self._role(method, int(number), query, body, user)
            case [endpoint] if endpoint in RESOURCES or endpoint == "unified_job_templates":
                return self._collection(method, endpoint, query, body, user)
            case [endpoint, number] if endpoint in RESOURCES:
                return self._object(method, endpoint, self._seen(endpoint, number, user), body)
            case [endpoint, number, part] if endpoint in RESOURCES:
                return self._part(method, endpoint, self._seen(endpoint, number, user), part, query, body, user)
        raise RefusedError(404, {"detail": "The requested resource could not be found."})

    def _seen(self, endpoint: str, number: str, user: Item) -> Item:
        if not number.isdigit():
            raise RefusedError(404, {"detail": "Not found."})
        item = self.store.get(endpoint, int(number))
        if not self.access.sees(user, item):
            raise RefusedError(403, {"detail": "You do not have permission to perform this action."})
        return item

    def _list(self, endpoint: str, items: list[Item], path: str, query: filters.Query, user: Item) -> Answer:
        seen = [item for item in items if self.access.sees(user, item)]
        chosen = filters.select(self.store, endpoint, seen, query)
        return 200, filters.page_of(path, [shapes.shown(self.store, endpoint, item) for item in chosen], query)

    def _collection(self, method: str, endpoint: str, query: filters.Query, body: Item, user: Item) -> Answer:
        if method == "GET":
            return self._list(endpoint, self.store.all(endpoint), f"/api/v2/{endpoint}/", query, user)
        if method != "POST" or endpoint in ("unified_job_templates", "workflow_approval_templates"):
            raise _not_allowed(method)
        return 201, shapes.shown(self.store, endpoint, self.store.create(endpoint, body))

    def _object(self, method: str, endpoint: str, item: Item, body: Item) -> Answer:
        if method == "GET":
            return 200, shapes.shown(self.store, endpoint, item)
        if method not in RESOURCES[endpoint].methods:
            raise _not_allowed(method)
        if item["managed"]:
            raise RefusedError(403, {"detail": "Modifications not allowed for managed credential types"})
        if method == "DELETE":
            self.store.delete(endpoint, item)
            return (202, {}) if endpoint == "inventories" else NOTHING
        return 200, shapes.shown(self.store, endpoint, self.store.change(endpoint, item, body))

    def _part(
        self, method: str, endpoint: str, item: Item, part: str, query: filters.Query, body: Item, user: Item
    ) -> Answer:
        if part in shapes.shown(self.store, endpoint, item)["related"] and part in self._parts:
            return self._parts[part](method, endpoint, item, body)
        if endpoint == "teams" and part == "roles" and method == "GET":
            held = [self._role_view(number) for number in sorted(self.store.held[item["id"]])]
            return 200, filters.page_of(f"/api/v2/teams/{item['id']}/roles/", held, query)
        other = RESOURCES[endpoint].associations.get(part)
        if other is None:
            raise RefusedError(404, {"detail": "The requested resource could not be found."})
        numbers = self.store.links[endpoint, item["id"], part]
        if method == "GET":
            linked = [self.store.get(other, number) for number in numbers]
            return self._list(other, linked, f"{shapes.url_of(item)}{part}/", query, user)
        return self._associate(endpoint, item, part, other, body)

    def _associate(self, endpoint: str, item: Item, part: str, other: str, body: Item) -> Answer:
        if "id" not in body:
            raise RefusedError(400, {"id": "missing"})
        target = self.store.get(other, int(body["id"]))
        numbers = self.store.links[endpoint, item["id"], part]
        if body.get("disassociate"):
            if target["id"] in numbers:
                numbers.remove(target["id"])
            return NOTHING
        if part == "credentials":
            self._one_of_each_type(numbers, target)
        if other == "workflow_job_template_nodes":
            self._may_follow(item, target)
        if target["id"] not in numbers:
            numbers.append(target["id"])
        return NOTHING

    def _one_of_each_type(self, numbers: list[int], credential: Item) -> None:
        kind = self.store.get("credential_types", credential["credential_type"])
        there = {self.store.get("credentials", number)["credential_type"] for number in numbers}
        if kind["id"] in there and credential["id"] not in numbers and kind["kind"] not in SEVERAL:
            raise RefusedError(400, {"error": f"Cannot assign multiple {kind['name']} credentials."})

    def _may_follow(self, node: Item, following: Item) -> None:
        if node["workflow_job_template"] != following["workflow_job_template"]:
            raise RefusedError(400, {"Error": "Parent and child nodes must be of one workflow."})
        reached, left = set(), [following["id"]]
        while left:
            number = left.pop()
            reached.add(number)
            for name in shapes.LINKS:
                left += self.store.links["workflow_job_template_nodes", number, name]
        if node["id"] in reached:
            raise RefusedError(400, {"Error": "Cycle detected."})

    def _survey(self, method: str, endpoint: str, item: Item, body: Item) -> Answer:
        if method == "GET":
            return 200, self.store.surveys.get(item["id"], {})
        if method == "DELETE":
            self.store.surveys.pop(item["id"], None)
            return 200, {}
        if method != "POST":
            raise _not_allowed(method)
        rules.check_survey(body)
        self.store.surveys[item["id"]] = body
        return 200, {}

    def _approval(self, method: str, endpoint: str, item: Item, body: Item) -> Answer:
        if method != "POST":
            raise _not_allowed(method)
        if not body.get("name"):
            raise RefusedError(400, {"name": ["This field is required."]})
        made = self.store.create("workflow_approval_templates", body)
        item["unified_job_template"] = made["id"]
        return 201, shapes.shown(self.store, "workflow_approval_templates", made)

    def _update(self, method: str, endpoint: str, item: Item, body: Item) -> Answer:
        if method == "GET":
            return 200, {"can_update": bool(item["scm_type"])}
        return 202, self._update_of(self.store.bring(item))

    def _update_of(self, number: int) -> Item:
        status = self.store.get("projects", self.store.updates[number])["status"]
        finished = None if status == "running" else "2026-01-01T00:00:00Z"
        told = {"id": number, "url": f"/api/v2/project_updates/{number}/", "status": status, "scm_revision": "f" * 40}
        return {**told, "finished": finished, "event_processing_finished": bool(finished), "failed": status == "failed"}

    def _role_view(self, number: int) -> Item:
        endpoint, target, name = self.store.roles[number]
        resource = self.store.get(endpoint, target)
        summary = {"resource_name": resource["name"], "resource_type": resource["type"], "resource_id": target}
        title = name.removesuffix("_role").replace("_", " ").title()
        return {"id": number, "type": "role", "name": title, "summary_fields": summary}

    def _role(self, method: str, number: int, query: filters.Query, body: Item, user: Item) -> Answer:
        if number not in self.store.roles:
            raise RefusedError(404, {"detail": "Not found."})
        holders = [team for team in self.store.all("teams") if number in self.store.held[team["id"]]]
        if method == "GET":
            return self._list("teams", holders, f"/api/v2/roles/{number}/teams/", query, user)
        if "id" not in body:
            raise RefusedError(400, {"msg": "Team 'id' field is missing."})
        team = self.store.get("teams", int(body["id"]))
        if body.get("disassociate"):
            self.store.held[team["id"]].discard(number)
            return NOTHING
        self._may_be_granted(self.store.roles[number], team)
        self.store.held[team["id"]].add(number)
        return NOTHING

    def _may_be_granted(self, role: tuple[str, int, str], team: Mapping[str, Any]) -> None:
        endpoint, target, name = role
        if endpoint == "organizations" and name in ("member_role", "admin_role"):
            told = "You cannot assign an Organization participation role as a child role for a Team."
            raise RefusedError(400, {"msg": told})
        if endpoint == "credentials" and self.store.get(endpoint, target)["organization"] != team["organization"]:
            told = "You cannot grant credential access to a team when the Organization field isn't set, or belongs to a"
            raise RefusedError(400, {"msg": f"{told} different organization"})


def _not_allowed(method: str) -> RefusedError:
    return RefusedError(405, {"detail": f'Method "{method}" not allowed.'})
