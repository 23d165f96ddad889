# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX refuses, with its messages. Taken from the behaviour of AWX 24.6.1's serializers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2

Body = Mapping[str, Any]
NOTIFICATIONS: dict[str, dict[str, Any]] = {
    "webhook": {
        "url": None,
        "http_method": "POST",
        "disable_ssl_verification": False,
        "headers": None,
        "username": "",
        "password": "",
    },
    "slack": {"token": None, "channels": None, "hex_color": ""},
}
NOTIFICATION_SECRETS = {"password", "token"}
_ENV = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_BLOCKED = {"VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID", "REST_API_TOKEN"}
_QUESTION_TYPES = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")


class RefusedError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = dict(body)


def refuse(field: str, message: str) -> None:
    raise RefusedError(400, {field: [message]})


def check_credential_type(item: Body) -> None:
    if item["kind"] not in ("cloud", "net"):
        refuse("kind", f"Must be 'cloud' or 'net', not {item['kind']}")
    fields = item["inputs"].get("fields", [])
    if any(not {"id", "label"} <= each.keys() for each in fields):
        refuse("inputs", "'label' is a required property")
    names = [each["id"] for each in fields]
    if len(set(names)) != len(names) or "tower" in names:
        refuse("inputs", "field IDs must be unique")
    files = item["injectors"].get("file", {})
    for key in files:
        if not re.match(r"template(\.[a-zA-Z_][a-zA-Z0-9_]*)?\Z", key):
            refuse("injectors", f"{key} must either be 'template' or 'template.<name>'")
    tower: Body = {"filename": {key.partition(".")[2]: "a-file" for key in files}}
    for name in item["injectors"].get("env", {}):
        _check_variable(name)
    for part in ("env", "file", "extra_vars"):
        for key, text in item["injectors"].get(part, {}).items():
            _render(key, str(text), {**dict.fromkeys(names, "EXAMPLE"), "tower": tower})


def _check_variable(name: str) -> None:
    if name.startswith("ANSIBLE_"):
        refuse("injectors", f"Environment variable {name} may affect Ansible configuration so its use is not allowed.")
    if not _ENV.match(name) or name in _BLOCKED:
        refuse("injectors", f"Environment variable {name} is not allowed to be used in credentials.")


def _render(key: str, text: str, known: Body) -> None:
    try:
        jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(known)  # noqa: S701 - not HTML
    except jinja2.UndefinedError as error:
        refuse("injectors", f"{key} uses an undefined field ({error})")
    except jinja2.TemplateSyntaxError as error:
        refuse("injectors", f"Syntax error rendering template for {key} inside of env ({error})")


def check_inputs(inputs: Body, credential_type: Body) -> None:
    known = {each["id"] for each in credential_type["inputs"].get("fields", [])}
    for name in inputs.keys() - known:
        refuse("inputs", f"Additional properties are not allowed ('{name}' was unexpected)")


def check_notification(item: dict[str, Any]) -> None:
    """Checks, and puts in the defaults that AWX adds."""
    kind = item["notification_type"]
    if kind not in NOTIFICATIONS:
        refuse("notification_type", f'"{kind}" is not a valid choice.')
    given = dict(item["notification_configuration"])
    missing = [name for name, default in NOTIFICATIONS[kind].items() if name not in given and default is None]
    if missing:
        refuse("__all__", f"Missing required fields for Notification Configuration: {missing}.")
    item["notification_configuration"] = {
        name: given.get(name, default) for name, default in NOTIFICATIONS[kind].items()
    }


def check_rrule(rrule: str) -> None:
    """As AWX checks recurrence rules."""
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", rrule)
    if not rrule:
        refuse("rrule", "This field may not be blank.")
    if not starts:
        refuse("rrule", "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if re.search(r"DTSTART:[0-9]+T[0-9]+(\s|\Z)", rrule):
        refuse("rrule", "DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if len(starts) > 1:
        refuse("rrule", "Multiple DTSTART is not supported.")
    rules = re.findall(r"RRULE:(\S*)", rrule)
    if not rules:
        refuse("rrule", "One or more rule required in rrule.")
    for rule in rules:
        _check_rule(rule)


def _check_rule(rule: str) -> None:
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    if "INTERVAL" not in parts:
        refuse("rrule", f"INTERVAL required in rrule: RULE:{rule}")
    if parts.get("FREQ") == "SECONDLY":
        refuse("rrule", f"SECONDLY is not supported: RULE:{rule}")
    if parts.get("FREQ") not in ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        refuse("rrule", f"rrule parsing failed validation: invalid 'FREQ': {parts.get('FREQ')}")
    if int(parts.get("COUNT", 0)) > 999:
        refuse("rrule", f"COUNT > 999 is unsupported: RULE:{rule}")


def check_survey(spec: Body) -> None:
    """As the survey_spec endpoints check."""
    for name in ("name", "description", "spec"):
        if name not in spec:
            _refuse_survey(f"'{name}' missing from survey spec.")
    if not isinstance(spec["spec"], list):
        _refuse_survey("'spec' must be a list of items.")
    if not spec["spec"]:
        _refuse_survey("'spec' doesn't contain any items.")
    seen: set[str] = set()
    for index, question in enumerate(spec["spec"]):
        _check_question(index, question, seen)
        seen.add(question["variable"])


def _refuse_survey(message: str) -> None:
    raise RefusedError(400, {"error": message})


def _check_question(index: int, question: Body, seen: set[str]) -> None:
    for name in ("type", "question_name", "variable", "required"):
        if name not in question:
            _refuse_survey(f"'{name}' missing from survey question {index}.")
    if question["variable"] in seen:
        _refuse_survey(f"'variable' '{question['variable']}' duplicated in survey question {index}.")
    if question["type"] not in _QUESTION_TYPES:
        known = ", ".join(_QUESTION_TYPES)
        _refuse_survey(
            f"'{question['type']}' in survey question {index} is not one of '{known}' allowed question types."
        )


def wrong_answers(spec: Body, answers: Body) -> list[str]:
    """What a launch with these answers is refused for. A default does not answer a required question at a launch."""
    wrong = []
    for question in spec.get("spec", []):
        name = question["variable"]
        if name not in answers:
            wrong += [f"'{name}' value missing"] if question["required"] else []
        elif question["type"] in ("text", "textarea"):
            wrong += _wrong_text(question, answers[name])
    return wrong


def _wrong_text(question: Body, answer: object) -> list[str]:
    name = question["variable"]
    if not isinstance(answer, str):
        return [f"Value {answer} for '{name}' expected to be a string."]
    least, most = question.get("min"), question.get("max")
    if least not in (None, "") and len(answer) < int(least) and (question["required"] or answer):
        return [f"'{name}' value {answer} is too small (length is {len(answer)} must be at least {least})."]
    if most not in (None, "") and len(answer) > int(most):
        return [f"'{name}' value {answer} is too large (must be no more than {most})."]
    return []
