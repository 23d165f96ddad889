# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ServiceAccounts of a namespace that may do exactly what a test lets them, and tokens that are about to expire."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.integration.readiness.deployments import Json
from tests.integration.readiness.waiting import eventually, rewritten
from tests.lab.kubelet.api import Api

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
# The API server takes a token for so much longer than it says.
LEEWAY_SECONDS = 60
SECONDS_TO_BEGIN = 3


class Accounts:
    """Those of one namespace. What lies outside of it is removed with `remove`."""

    def __init__(self, api: Api, kubeconfig: str, namespace: str) -> None:
        self.api, self.kubeconfig, self.namespace = api, kubeconfig, namespace
        self.path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.outside: list[str] = []

    def create(self, name: str, rules: Sequence[Json], everywhere: Sequence[Json] = ()) -> None:
        """Make an account that may do this in its namespace, and that in the whole cluster. Returns when it may."""
        self.api.request("POST", self.path, {"metadata": {"name": name}})
        self.bind(name, f"{RBAC}/namespaces/{self.namespace}", "Role", name, rules)
        if everywhere:
            whole = f"{self.namespace}-{name}"
            self.outside += [f"{RBAC}/clusterroles/{whole}", f"{RBAC}/clusterrolebindings/{whole}"]
            self.bind(name, RBAC, "ClusterRole", whole, everywhere)
        eventually(lambda: all(self.may(name, ask) for ask in questions(rules, self.namespace)))
        eventually(lambda: all(self.may(name, ask) for ask in questions(everywhere)))

    def bind(self, account: str, path: str, kind: str, name: str, rules: Sequence[Json]) -> None:
        """Make a role, and give it to an account."""
        plural = f"{kind.lower()}s"
        self.api.request("POST", f"{path}/{plural}", {"metadata": {"name": name}, "rules": list(rules)})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
        self.api.request("POST", f"{path}/{plural.removesuffix('s')}bindings", binding)

    def revoke(self, name: str) -> None:
        """Take away what an account may do in its namespace. Returns when it may not."""
        self.api.request("DELETE", f"{RBAC}/namespaces/{self.namespace}/rolebindings/{name}")
        ask = {"namespace": self.namespace, "resource": "pods", "verb": "list"}
        eventually(lambda: not self.may(name, ask))

    def may(self, name: str, ask: Json) -> bool:
        """Whether the API server lets an account do something."""
        spec = {"user": f"system:serviceaccount:{self.namespace}:{name}", "resourceAttributes": ask}
        answer = self.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return bool(answer["status"]["allowed"])

    def token(self, name: str) -> str:
        """One for an hour."""
        return str(self.api.request("POST", f"{self.path}/{name}/token", {"spec": {}})["status"]["token"])

    def expiring_token(self, name: str, key: Path) -> str:
        """One that is taken for a few seconds more, and for ten more by a server that keeps its last verdict."""
        account = self.api.request("GET", f"{self.path}/{name}")["metadata"]
        end = int(time.time()) - LEEWAY_SECONDS + SECONDS_TO_BEGIN
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{self.namespace}:{name}",
            "exp": end,
            "iat": end - 3600,
            "nbf": end - 3600,
            "kubernetes.io": {
                "namespace": self.namespace,
                "serviceaccount": {"name": name, "uid": account["uid"]},
            },
        }
        return signed(claims, key)

    def login(self, name: str, folder: Path, token: str = "", server: str = "") -> str:
        """The path of a kubeconfig of an account."""
        user = {"token": token or self.token(name)}
        return rewritten(self.kubeconfig, folder / f"kubeconfig-{name}", server, user)

    def remove(self) -> None:
        """Delete what lies outside of the namespace."""
        for path in self.outside:
            self.api.request("DELETE", path)


def questions(rules: Iterable[Json], namespace: str = "") -> list[Json]:
    """What an account has to be allowed by these rules, one by one."""
    asked = []
    for rule in rules:
        for resource in rule["resources"]:
            name, _unused, part = resource.partition("/")
            ask = {"namespace": namespace, "group": rule["apiGroups"][0], "resource": name, "subresource": part}
            ask |= {"name": rule["resourceNames"][0]} if rule.get("resourceNames") else {}
            asked += [{**ask, "verb": verb} for verb in rule["verbs"]]
    return asked


def signed(claims: Json, key: Path) -> str:
    """A JSON web token with the signature of a PEM file's key."""
    private = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, RSAPrivateKey)
    text = b".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return b".".join([text, encoded(private.sign(text, PKCS1v15(), hashes.SHA256()))]).decode()


def encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
