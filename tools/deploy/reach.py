"""Who may reach whom in a built overlay, as its NetworkPolicies say, against the table of workers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cli.run.workers import TABLE
from tools.deploy import facts
from tools.deploy.facts import HTTPS, MAIL, OPS_PORT, STORE_PORTS
from tools.deploy.manifest import NAME, PART
from tools.deploy.policies import MONITORING, OTLP_PORT, PRIVATE, users_of

Manifest = dict[str, Any]
INTERNET, MAILING, NAMES, TRACES = "the internet", "the internet and mail", "names", "traces"
WAYS_OUT = {(HTTPS,): INTERNET, (HTTPS, *MAIL): MAILING}


def check_reach(manifests: Sequence[Manifest]) -> list[str]:
    policies = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"]
    if not any(one["podSelector"] == {} and {*one["policyTypes"]} == {"Ingress", "Egress"} for one in policies):
        return ["no policy denies what no other allows"]
    return [*_workers(policies), *_stores(manifests, policies)]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels takes these. Of the operators only `In` is known: another one is refused."""
    wanted = selector.get("matchLabels", {}).items()
    listed = selector.get("matchExpressions", ())
    if any(one["operator"] != "In" for one in listed):
        raise ValueError(f"not understood: {listed}")
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(one["key"]) in one["values"] for one in listed
    )


def _labels(name: str) -> dict[str, str]:
    return {NAME: name, PART: "perpetua"}


def _workers(policies: Sequence[Manifest]) -> Iterator[str]:
    for row in TABLE:
        wanted = {*facts.stores_of(row), NAMES, TRACES, *({WAYS_OUT[facts.ports_outside(row)]} if row.outside else ())}
        allowed = set(_reached(row.name, policies))
        yield from (f"{row.name} may reach {one}, which the table does not name" for one in sorted(allowed - wanted))
        yield from (f"{row.name} may not reach {one}" for one in sorted(wanted - allowed))


def _reached(name: str, policies: Sequence[Manifest]) -> Iterator[str]:
    for policy in policies:
        if selects(policy["podSelector"], _labels(name)):
            for rule in policy.get("egress", ()):
                ports = tuple(one.get("port") for one in rule.get("ports", ()))
                peers = rule.get("to") or [{}]
                yield from (_named(peer, ports) for peer in peers)


def _named(peer: Manifest, ports: tuple[Any, ...]) -> str:
    """What a rule opens, in words; what is none of ours is said as it stands."""
    if block := peer.get("ipBlock"):
        private = PRIVATE.get(block["cidr"])
        if ports in WAYS_OUT and private is not None and {*private} <= {*block.get("except", ())}:
            return WAYS_OUT[ports]
        if private is None:  # a store outside of the cluster
            return next((store for store, port in STORE_PORTS.items() if ports == (port,)), f"{block['cidr']} {ports}")
        return f"{block['cidr']} {ports}"
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if spaces is None and pods is not None:
        for store, port in STORE_PORTS.items():
            if pods == {"matchLabels": _labels(store)} and ports == (port,):
                return store
    if spaces == {"matchLabels": {"kubernetes.io/metadata.name": MONITORING}} and ports == (OTLP_PORT,):
        return TRACES
    if pods == {"matchLabels": {"k8s-app": "kube-dns"}} and set(ports) == {53}:
        return NAMES
    return f"{peer} {ports}"


def _stores(manifests: Sequence[Manifest], policies: Sequence[Manifest]) -> Iterator[str]:
    """Whom a store that runs here lets in, and that the workers' operations port is seen by monitoring alone."""
    there = {one["metadata"]["name"] for one in manifests if one["kind"] == "StatefulSet"}
    names = [row.name for row in TABLE] + ["provision", "nats", "mongodb", "redis", "somebody"]
    for store in sorted(there & set(STORE_PORTS)):
        callers = {name for name in names if _lets_in(store, STORE_PORTS[store], name, policies)}
        wanted = set(users_of(store))
        yield from (f"{store} lets in {name}, which the table does not name" for name in sorted(callers - wanted))
        yield from (f"{store} does not let in {name}" for name in sorted(wanted - callers))
    for row in TABLE:
        seen_by = [name for name in names if _lets_in(row.name, OPS_PORT, name, policies)]
        yield from (f"{row.name} shows its operations port to {name}" for name in seen_by)


def _lets_in(name: str, port: int, caller: str, policies: Sequence[Manifest]) -> bool:
    """Whether a pod beside it, named `caller`, may reach `port` of `name`."""
    rules = (rule for one in policies if selects(one["podSelector"], _labels(name)) for rule in one.get("ingress", ()))
    return any(
        not rule.get("ports") or port in [open_one.get("port") for open_one in rule["ports"]]
        for rule in rules
        if any(
            not peer
            or (
                "namespaceSelector" not in peer
                and selects(peer.get("podSelector", {"matchLabels": {"": ""}}), _labels(caller))
            )
            for peer in rule.get("from") or [{}]
        )
    )
