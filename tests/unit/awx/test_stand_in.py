# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's own semantics: it answers as AWX does."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.awx.server import ADMINISTRATOR, Awx
from tests.unit.awx.calls import RRULE, call, made, template_of


class TestCredential:
    @pytest.fixture
    def kind(self, awx: Awx) -> int:
        fields = [{"id": "user", "label": "U"}, {"id": "key", "label": "K", "secret": True}]
        return made(awx, "credential_types/", name="c", kind="cloud", inputs={"fields": fields})

    def test_its_secret_is_never_shown_and_is_kept(self, awx: Awx, kind: int) -> None:
        inputs = {"user": "me", "key": "hush"}
        number = made(awx, "credentials/", name="x", organization=2, credential_type=kind, inputs=inputs)
        path = f"credentials/{number}/"
        assert call(awx, "GET", path)[1]["inputs"] == {"user": "me", "key": "$encrypted$"}
        call(awx, "PATCH", path, {"inputs": {"user": "you", "key": "$encrypted$"}})
        assert awx.store.get("credentials", number)["inputs"] == {"user": "you", "key": "hush"}

    def test_a_type_that_is_in_use_keeps_its_inputs_and_stays(self, awx: Awx, kind: int) -> None:
        made(awx, "credentials/", name="x", organization=2, credential_type=kind)
        assert call(awx, "PATCH", f"credential_types/{kind}/", {"inputs": {}})[0] == 403
        assert call(awx, "DELETE", f"credential_types/{kind}/")[0] == 403

    def test_a_template_takes_one_of_each_type(self, awx: Awx, kind: int) -> None:
        path = f"job_templates/{template_of(awx)['id']}/credentials/"
        first, second = (made(awx, "credentials/", name=name, organization=2, credential_type=kind) for name in "xy")
        assert call(awx, "POST", path, {"id": first}) == (204, None)
        assert call(awx, "POST", path, {"id": second}) == (400, {"error": "Cannot assign multiple c credentials."})
        assert call(awx, "POST", path, {"id": first, "disassociate": True}) == (204, None)
        assert call(awx, "POST", path, {"id": second}) == (204, None)


def test_a_field_that_is_not_there_or_only_read_is_passed_over(awx: Awx) -> None:
    number = made(awx, "organizations/", name="o", colour="red", id=99, url="x")
    assert number != 99
    assert "colour" not in call(awx, "GET", f"organizations/{number}/")[1]
    assert template_of(awx)["summary_fields"]["organization"]["name"] == "Org"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=Org", ["Org"]),
        ("name__in=Org,Default", ["Default", "Org"]),
        ("or__id=1&or__name=Org", ["Default", "Org"]),
        ("not__name=Org", ["Default"]),
        ("name__icontains=OR", ["Org"]),
        ("id=1&name=Org", []),
    ],
)
def test_filters(awx: Awx, query: str, names: list[str]) -> None:
    assert [each["name"] for each in call(awx, "GET", f"organizations/?{query}")[1]["results"]] == names


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("workflow_job_template_nodes/?workflow_job_template__organization__name=Org", 2),
        ("workflow_job_template_nodes/?workflow_job_template__organization__name=Default", 0),
        ("job_templates/?organization__name=Org", 1),
        ("unified_job_templates/?name=t&organization=2", 1),
        ("credential_types/?managed=False", 0),
        ("credential_types/?managed=True", 4),
    ],
)
def test_filters_by_what_is_related(awx: Awx, path: str, count: int) -> None:
    assert call(awx, "GET", path)[1]["count"] == count


def test_pages(awx: Awx) -> None:
    for name in range(5):
        made(awx, "labels/", name=str(name), organization=2)
    page = call(awx, "GET", "labels/?page_size=2")[1]
    seen = [each["name"] for each in page["results"]]
    while page["next"]:
        page = call(awx, "GET", page["next"].removeprefix("/api/v2/"))[1]
        seen += [each["name"] for each in page["results"]]
    assert (page["count"], seen) == (5, list("01234"))


def test_an_approval_belongs_to_its_node(awx: Awx) -> None:
    node = made(awx, "workflow_job_template_nodes/", workflow_job_template=template_of(awx)["id"] + 1, identifier="c")
    path = f"workflow_job_template_nodes/{node}/"
    status, approval = call(awx, "POST", f"{path}create_approval_template/", {"name": "ok?", "timeout": 5})
    assert (status, approval["type"]) == (201, "workflow_approval_template")
    summary = call(awx, "GET", path)[1]["summary_fields"]["unified_job_template"]
    assert (summary["unified_job_type"], summary["timeout"]) == ("workflow_approval", 5)
    # Links are the node's: this is where workflow_job_template_node looks for them when it is given both.
    assert call(awx, "GET", f"workflow_approval_templates/{approval['id']}/success_nodes/")[0] == 404
    assert call(awx, "DELETE", path)[0] == 204
    assert call(awx, "GET", f"workflow_approval_templates/{approval['id']}/")[0] == 404


def test_what_hangs_on_an_object_goes_with_it(awx: Awx) -> None:
    made(awx, "schedules/", name="s", unified_job_template=template_of(awx)["id"], rrule=RRULE)
    call(awx, "DELETE", f"job_templates/{template_of(awx)['id']}/")
    assert call(awx, "GET", "schedules/")[1]["count"] == 0
    nodes = call(awx, "GET", "workflow_job_template_nodes/")[1]["results"]
    assert [node["unified_job_template"] for node in nodes] == [None, None]
    assert call(awx, "DELETE", "inventories/1/")[0] == 202


class TestRights:
    @pytest.fixture
    def team(self, awx: Awx) -> int:
        team = made(awx, "teams/", name="team", organization=2)
        awx.store.members[team].add(awx.add_user("someone", "theirs")["id"])
        return team

    def test_nothing_is_seen_or_written_without(self, awx: Awx, team: int) -> None:
        assert call(awx, "GET", "job_templates/", token="theirs")[1]["count"] == 0
        assert call(awx, "GET", f"job_templates/{template_of(awx)['id']}/", token="theirs")[0] == 403
        assert call(awx, "POST", "organizations/", {"name": "x"}, token="theirs")[0] == 403
        assert call(awx, "GET", "job_templates/", token="nobody's")[0] == 401
        assert call(awx, "GET", "me/", token="theirs")[1]["results"][0]["username"] == "someone"

    def test_a_role_lets_see_that_object_alone(self, awx: Awx, team: int) -> None:
        role = template_of(awx)["summary_fields"]["object_roles"]["execute_role"]["id"]
        assert call(awx, "POST", f"roles/{role}/teams/", {"id": team}) == (204, None)
        held = call(awx, "GET", f"teams/{team}/roles/")[1]["results"]
        assert [(each["name"], each["summary_fields"]["resource_name"]) for each in held] == [("Execute", "t")]
        assert call(awx, "GET", "job_templates/", token="theirs")[1]["count"] == 1
        assert call(awx, "GET", "workflow_job_templates/", token="theirs")[1]["count"] == 0

    def test_a_team_takes_no_part_in_an_organization_by_a_role(self, awx: Awx, team: int) -> None:
        roles = call(awx, "GET", "organizations/2/")[1]["summary_fields"]["object_roles"]
        assert call(awx, "POST", f"roles/{roles['member_role']['id']}/teams/", {"id": team})[0] == 400
        assert call(awx, "POST", f"roles/{roles['auditor_role']['id']}/teams/", {"id": team})[0] == 204
        assert call(awx, "GET", "job_templates/", token="theirs")[1]["count"] == 1


def test_over_http_requests_are_counted_and_answers_can_be_lost(awx: Awx) -> None:
    before = awx.writes
    url = awx.start()
    headers = {"Authorization": f"Bearer {ADMINISTRATOR}", "Content-Type": "application/json"}

    def post(name: str) -> int:
        body = json.dumps({"name": name}).encode()
        with urlopen(Request(f"{url}/api/v2/organizations/", body, headers)) as answer:
            assert answer.headers["X-API-Product-Version"] == "24.6.1"
            return int(answer.status)

    try:
        assert post("x") == 201
        with pytest.raises(HTTPError, match="400"):
            post("x")
        assert awx.writes - before == 2
        awx.writes_left = 1
        with pytest.raises(OSError, match="closed connection"):
            post("y")
        assert "y" in {each["name"] for each in awx.store.all("organizations")}, "what is lost is the answer"
        with pytest.raises(OSError, match="closed connection"):
            post("z")
        assert awx.writes - before == 3
    finally:
        awx.stop()
