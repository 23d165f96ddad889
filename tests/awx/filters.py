# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and pages of AWX's lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from tests.awx.resources import ENDPOINT_OF, RESOURCES
from tests.awx.rules import RefusedError
from tests.awx.store import Item, Store

PAGING = ("page", "page_size", "order_by", "format")
LOOKUPS: dict[str, Callable[[Any, str], bool]] = {
    "exact": lambda actual, wanted: _text(actual) == wanted,
    "iexact": lambda actual, wanted: _text(actual).lower() == wanted.lower(),
    "contains": lambda actual, wanted: wanted in _text(actual),
    "icontains": lambda actual, wanted: wanted.lower() in _text(actual).lower(),
    "startswith": lambda actual, wanted: _text(actual).startswith(wanted),
    "in": lambda actual, wanted: _text(actual) in wanted.split(","),
    "isnull": lambda actual, wanted: (actual is None) == (wanted.lower() == "true"),
}
Query = Sequence[tuple[str, str]]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def select(store: Store, endpoint: str, items: Sequence[Item], query: Query) -> list[Item]:
    """The objects that every plain term, and at least one `or__` term, fits."""
    plain = [term for term in query if term[0] not in PAGING and not term[0].startswith("or__")]
    either = [(name.removeprefix("or__"), value) for name, value in query if name.startswith("or__")]
    for name, value in [*plain, *either]:
        _check(endpoint, name.removeprefix("not__"), value)
    return [
        item
        for item in items
        if all(_fits(store, item, name, value) for name, value in plain)
        and (not either or any(_fits(store, item, name, value) for name, value in either))
    ]


def _check(endpoint: str, name: str, value: str) -> None:
    """Refuse a field that is not there, at any step of the way."""
    path = name.split("__")
    steps = path[:-1] if path[-1] in LOOKUPS and len(path) > 1 else path
    for step in steps:
        resource = RESOURCES.get(endpoint)
        known = {"id", "type", "managed", "status"} | (
            {*resource.fields, *resource.references} if resource else {"name", "organization"}
        )
        if step not in known:
            title = resource.model if resource else "UnifiedJobTemplate"
            raise RefusedError(400, {"detail": f"{title} has no field named '{step}'"})
        if step == "id" and not all(each.isdigit() for each in value.split(",")):
            raise RefusedError(400, {"detail": f"Field 'id' expected a number but got '{value}'."})
        if resource and step in resource.references:
            endpoint = resource.references[step]
        elif step == "organization":
            endpoint = "organizations"


def _fits(store: Store, item: Item, name: str, value: str) -> bool:
    if name.startswith("not__"):
        return not _fits(store, item, name.removeprefix("not__"), value)
    path = name.split("__")
    lookup = path.pop() if path[-1] in LOOKUPS and len(path) > 1 else "exact"
    actual: Any = item
    for position, step in enumerate(path, 1):
        if not isinstance(actual, dict):
            return False
        found = actual.get(step)
        references = RESOURCES[ENDPOINT_OF[actual["type"]]].references
        more = position < len(path)
        actual = store.get(references[step], found) if more and found and step in references else found
    wanted = value.lower() if isinstance(actual, bool) else value
    return bool(LOOKUPS[lookup](actual, wanted))


def page_of(path: str, items: Sequence[dict[str, Any]], query: Query) -> dict[str, Any]:
    """One page of a list, with the addresses of its neighbours relative to the host, as AWX gives them."""
    terms = dict(query)
    size = min(int(terms.get("page_size", 25)), 200)
    number = int(terms.get("page", 1))
    start = (number - 1) * size
    if start and start >= len(items):
        raise RefusedError(404, {"detail": "Invalid page."})

    def address(other: int) -> str:
        return f"{path}?{urlencode({**terms, 'page': other})}"

    return {
        "count": len(items),
        "next": address(number + 1) if start + size < len(items) else None,
        "previous": address(number - 1) if number > 1 else None,
        "results": list(items[start : start + size]),
    }
