"""What NetworkPolicies let through, between pods, namespaces and addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .objects import Objects, Pod, Tree, matches


@dataclass
class Peer:
    """A pod of ours, or of another namespace (`namespace`, its labels), or an address."""

    pod: Pod | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    address: str | None = None


def allowed(objects: Objects, source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Both sides must let it through; who has no policy lets everything through."""
    return (_side(objects, source.pod, target, target.pod, port, protocol, "Egress")
            and _side(objects, target.pod, source, target.pod, port, protocol, "Ingress"))


def _side(objects: Objects, own: Pod | None, other: Peer, target: Pod | None, port: int, protocol: str,
          direction: str) -> bool:
    if own is None:
        return True
    policies = [policy["spec"] for policy in objects.of("NetworkPolicy")
                if direction in policy["spec"]["policyTypes"] and matches(policy["spec"]["podSelector"], own.labels)]
    if not policies:
        return True
    key, side = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(_peers(rule.get(side), other) and _ports(rule.get("ports"), target, port, protocol)
               for policy in policies for rule in policy.get(key, []))


def _ports(ports: list[Tree] | None, target: Pod | None, port: int, protocol: str) -> bool:
    if ports is None:
        return True
    for entry in ports:
        number = entry.get("port", port)
        if isinstance(number, str):
            number = target.port(number) if target else None
        if number == port and entry.get("protocol", "TCP") == protocol:
            return True
    return False


def _peers(peers: list[Tree] | None, other: Peer) -> bool:
    return peers is None or any(_is(peer, other) for peer in peers)


def _is(peer: Tree, other: Peer) -> bool:
    if "ipBlock" in peer:
        if other.address is None:
            return False
        address = ipaddress.ip_address(other.address)
        inside = address in ipaddress.ip_network(peer["ipBlock"]["cidr"])
        return inside and not any(address in ipaddress.ip_network(out) for out in peer["ipBlock"].get("except", []))
    if "namespaceSelector" in peer:
        if other.namespace is None:
            return False
        here = matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
        return here and matches(peer.get("podSelector", {}), other.labels or {})
    return other.pod is not None and matches(peer["podSelector"], other.pod.labels)
