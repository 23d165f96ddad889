# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of AWX, and what may be done with them."""

from __future__ import annotations

import copy
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from tests.awx import rules
from tests.awx.resources import RESOURCES, TEMPLATES
from tests.awx.rules import RefusedError, refuse

Item = dict[str, Any]


class Store:
    """All objects. `playbooks` are the files that a project has once it was brought.

    Args:
        playbooks: the files of every project.
        sync: how a project's update ends, `successful` or `failed`; `running` for one that does not end.
    """

    def __init__(self, playbooks: list[str], sync: str = "successful") -> None:
        self.playbooks = playbooks
        self.sync = sync
        self.items: dict[str, dict[int, Item]] = {endpoint: {} for endpoint in RESOURCES}
        self.links: dict[tuple[str, int, str], list[int]] = defaultdict(list)
        self.surveys: dict[int, Item] = {}
        self.held: dict[int, set[int]] = defaultdict(set)
        self.members: dict[int, set[int]] = defaultdict(set)
        self.roles: dict[int, tuple[str, int, str]] = {}
        self.updates: dict[int, int] = {}
        self._numbers: dict[str, int] = defaultdict(int)

    def next_id(self, sequence: str) -> int:
        self._numbers[sequence] += 1
        return self._numbers[sequence]

    def all(self, endpoint: str) -> list[Item]:
        if endpoint == "unified_job_templates":
            return [item for name in TEMPLATES for item in self.items[name].values()]
        return list(self.items[endpoint].values())

    def get(self, endpoint: str, number: int) -> Item:
        found = [item for item in self.all(endpoint) if item["id"] == number]
        if not found:
            raise RefusedError(404, {"detail": "Not found."})
        return found[0]

    def create(self, endpoint: str, body: Item, managed: bool = False) -> Item:
        resource = RESOURCES[endpoint]
        for name in resource.required:
            if body.get(name) in (None, ""):
                refuse(name, "This field is required." if name not in body else "This field may not be blank.")
        item = copy.deepcopy(dict(resource.fields)) | {"type": resource.kind, "managed": managed}
        self._write(endpoint, item, body)
        if endpoint == "workflow_job_template_nodes" and not item["identifier"]:
            item["identifier"] = str(uuid.uuid4())
        self._check(endpoint, item, body)
        item["id"] = self.next_id(resource.sequence or endpoint)
        self.items[endpoint][item["id"]] = item
        for role in resource.roles:
            self.roles[self.next_id("roles")] = (endpoint, item["id"], f"{role}_role")
        if endpoint == "projects" and item["scm_type"]:
            self.bring(item)
        elif endpoint == "projects":
            item |= {"status": "ok", "playbook_files": list(self.playbooks), "scm_revision": ""}
        return item

    def change(self, endpoint: str, item: Item, body: Item) -> Item:
        changed = copy.deepcopy(item)
        self._write(endpoint, changed, body)
        for name in RESOURCES[endpoint].required:
            if changed.get(name) in (None, ""):
                refuse(name, "This field may not be blank.")
        if endpoint == "credential_types" and changed["inputs"] != item["inputs"] and self._in_use(item):
            told = "Modifications to inputs are not allowed for credential types that are in use"
            raise RefusedError(403, {"detail": told})
        self._check(endpoint, changed, body)
        item.update(changed)
        return item

    def delete(self, endpoint: str, item: Item) -> None:
        """Removes an object with all that hangs on it."""
        if endpoint == "credential_types" and self._in_use(item):
            raise RefusedError(403, {"detail": "Credential types that are in use cannot be deleted"})
        for other, child in list(self._children(endpoint, item)):
            self.delete(other, child)
        self.items[endpoint].pop(item["id"], None)
        self._forget(endpoint, item["id"])
        gone = {number for number, role in self.roles.items() if role[:2] == (endpoint, item["id"])}
        self.roles = {number: role for number, role in self.roles.items() if number not in gone}
        for held in self.held.values():
            held -= gone
        for (owner, _number, name), numbers in self.links.items():
            if RESOURCES[owner].associations[name] == endpoint and item["id"] in numbers:
                numbers.remove(item["id"])

    def _forget(self, endpoint: str, number: int) -> None:
        """What referred to an object that is gone refers to nothing."""
        called = {endpoint} | ({"unified_job_templates"} if endpoint in TEMPLATES else set())
        for other, resource in RESOURCES.items():
            for name in (name for name, target in resource.references.items() if target in called):
                for item in self.items[other].values():
                    item[name] = None if item.get(name) == number else item.get(name)

    def _in_use(self, credential_type: Item) -> bool:
        return any(each["credential_type"] == credential_type["id"] for each in self.all("credentials"))

    def _children(self, endpoint: str, item: Item) -> Iterator[tuple[str, Item]]:
        owners = {
            "workflow_job_template_nodes": {"workflow_job_template": "workflow_job_templates"},
            "inventory_sources": {"inventory": "inventories"},
            "schedules": {"unified_job_template": endpoint if endpoint in TEMPLATES else ""},
        }
        for child, owned in owners.items():
            for name, owner in owned.items():
                yield from ((child, each) for each in self.all(child) if owner == endpoint and each[name] == item["id"])
        if endpoint == "workflow_job_template_nodes":
            number = item["unified_job_template"]
            if number in self.items["workflow_approval_templates"]:
                yield "workflow_approval_templates", self.items["workflow_approval_templates"][number]

    def _write(self, endpoint: str, item: Item, body: Item) -> None:
        """Fields that are not there, or are only read, are passed over, as Django REST framework does."""
        resource = RESOURCES[endpoint]
        for name in resource.fields.keys() & body.keys():
            value = body[name]
            if name in resource.references and value is not None:
                self._refer(name, resource.references[name], value)
                value = int(value)
            if name == "inputs" and endpoint == "credentials":
                kept = item["inputs"]
                value = {key: kept.get(key) if given == "$encrypted$" else given for key, given in value.items()}
            item[name] = copy.deepcopy(value)
        if endpoint == "job_templates" and item["project"]:
            item["organization"] = self.get("projects", item["project"])["organization"]

    def _refer(self, name: str, endpoint: str, value: object) -> None:
        if not isinstance(value, int) and not str(value).isdigit():
            refuse(name, f"Incorrect type. Expected pk value, received {type(value).__name__}.")
        if int(str(value)) not in {item["id"] for item in self.all(endpoint)}:
            refuse(name, f'Invalid pk "{value}" - object does not exist.')

    def _check(self, endpoint: str, item: Item, body: Item) -> None:
        self._check_unique(endpoint, item)
        checks: dict[str, Callable[[Item], None]] = {
            "credential_types": rules.check_credential_type,
            "notification_templates": rules.check_notification,
            "credentials": self._check_credential,
            "projects": self._check_project,
            "inventory_sources": self._check_source,
            "job_templates": self._check_job_template,
            "schedules": self._check_schedule,
        }
        if endpoint == "credentials" and "id" not in item and not {"organization", "user", "team"} & body.keys():
            refuse("detail", "Missing 'user', 'team', or 'organization'.")
        if endpoint in checks:
            checks[endpoint](item)

    def _check_credential(self, item: Item) -> None:
        rules.check_inputs(item["inputs"], self.get("credential_types", item["credential_type"]))

    def _check_project(self, item: Item) -> None:
        if item["scm_type"] and not item["scm_url"]:
            refuse("scm_url", "SCM URL is required.")

    def _check_source(self, item: Item) -> None:
        if item["source"] == "scm" and not item["source_project"]:
            refuse("source_project", "Project required for scm type sources.")

    def _check_schedule(self, item: Item) -> None:
        rules.check_rrule(item["rrule"])
        wrong = rules.wrong_answers(self.surveys.get(item["unified_job_template"], {}), item["extra_data"])
        if wrong:
            raise RefusedError(400, {"variables_needed_to_start": wrong})

    def _check_job_template(self, item: Item) -> None:
        if not item["inventory"] and not item["ask_inventory_on_launch"]:
            refuse("inventory", "Must either set a default value or ask to prompt on launch.")
        if not item["playbook"]:
            refuse("playbook", "Must select playbook for project.")
        if item["playbook"] not in self.get("projects", item["project"])["playbook_files"]:
            refuse("playbook", "Playbook not found for project.")

    def _check_unique(self, endpoint: str, item: Item) -> None:
        resource = RESOURCES[endpoint]
        if not resource.unique:
            return
        if not any(
            all(other[name] == item[name] for name in resource.unique)
            for other in self.items[endpoint].values()
            if other["id"] != item.get("id")
        ):
            return
        if resource.uniqueness == "field":
            name = resource.unique[0]
            refuse(name, f"{resource.title} with this {name.capitalize()} already exists.")
        if resource.uniqueness == "soft":
            refuse("__all__", f"{resource.model} with this ({', '.join(resource.unique)}) combination already exists.")
        names = [name.replace("_", " ").capitalize() for name in resource.unique]
        refuse("__all__", f"{resource.title} with this {', '.join(names[:-1])} and {names[-1]} already exists.")

    def bring(self, project: Item) -> int:
        """Start a project's update, and return its id."""
        number = self.next_id("updates")
        self.updates[number] = project["id"]
        project |= {"status": "running", "playbook_files": [], "scm_revision": ""}
        return number

    def end_update(self, number: int) -> None:
        """A project's files are there when its update was successful."""
        project = self.get("projects", self.updates[number])
        if project["status"] == "running" and self.sync != "running":
            brought = self.sync == "successful"
            project |= {"status": self.sync, "playbook_files": list(self.playbooks) if brought else []}
