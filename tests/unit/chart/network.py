# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether network policies let a connection through, by the rules of the API. Pure: the lab enforces none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A pod, or with no namespace whatever lies outside of the cluster."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.244.0.9"
    ports: Mapping[str, int] = field(default_factory=dict)
    """Its container ports by name."""

    @property
    def namespace_labels(self) -> Mapping[str, str]:
        """What Kubernetes puts on each namespace."""
        return {"kubernetes.io/metadata.name": self.namespace}


def allows(policies: Sequence[Json], sender: Peer, receiver: Peer, port: int, protocol: str = "TCP") -> bool:
    """Both ends have a say: the sender's egress and the receiver's ingress."""
    return _side(policies, "egress", sender, receiver, receiver, port, protocol) and _side(
        policies, "ingress", receiver, sender, receiver, port, protocol
    )


def _side(
    policies: Sequence[Json], direction: str, own: Peer, other: Peer, receiver: Peer, port: int, protocol: str
) -> bool:
    """A pod that no policy selects for a direction is open; else one rule of one policy has to match."""
    selecting = [
        policy
        for policy in policies
        if own.namespace
        and policy["metadata"]["namespace"] == own.namespace
        and _matches(policy["spec"]["podSelector"], own.labels)
        and direction.capitalize() in policy["spec"]["policyTypes"]
    ]
    rules = [rule for policy in selecting for rule in policy["spec"].get(direction, [])]
    side = "from" if direction == "ingress" else "to"
    return not selecting or any(
        _peers(rule.get(side), other, own.namespace) and _ports(rule.get("ports"), receiver, port, protocol)
        for rule in rules
    )


def _peers(peers: Sequence[Json] | None, other: Peer, namespace: str) -> bool:
    return not peers or any(_peer(peer, other, namespace) for peer in peers)


def _peer(peer: Json, other: Peer, namespace: str) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ip_address(other.address)
        inside = address in ip_network(block["cidr"])
        return inside and not any(address in ip_network(part) for part in block.get("except", []))
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        if not _matches(peer["namespaceSelector"], other.namespace_labels):
            return False
    elif other.namespace != namespace:
        return False
    return _matches(peer.get("podSelector", {}), other.labels)


def _ports(ports: Sequence[Json] | None, receiver: Peer, port: int, protocol: str) -> bool:
    return not ports or any(
        entry.get("protocol", "TCP") == protocol
        and port == (receiver.ports.get(entry["port"]) if isinstance(entry["port"], str) else entry["port"])
        for entry in ports
    )


def _matches(selector: Json, labels: Mapping[str, str]) -> bool:
    if selector.keys() - {"matchLabels"}:
        raise NotImplementedError(f"selector {selector}")
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
