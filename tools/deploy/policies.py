"""NetworkPolicies: each worker reaches what the table of workers names, and is reached by who has to."""

from collections.abc import Mapping, Sequence

from cli.run.workers import TABLE, WorkerKind
from tools.deploy import facts
from tools.deploy.facts import EXPORTER_PORT, OPS_PORT, STORE_PORTS
from tools.deploy.kubernetes import PROVISION
from tools.deploy.manifest import NAME, PART, Manifest, manifest, selector

MONITORING = "monitoring"
OTLP_PORT = 4318
CALLER = "perpetua.io/calls-gateway"  # a label of namespaces, or of pods beside the gateway
PRIVATE: Mapping[str, Sequence[str]] = {
    "0.0.0.0/0": (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        "224.0.0.0/3",
    ),
    "::/0": ("::1/128", "fc00::/7", "fe80::/10", "ff00::/8"),
}


def policies() -> list[Manifest]:
    return [_deny(), _names(), *(_worker(row) for row in TABLE), _provision()]


def store_policies(stores: Sequence[str]) -> list[Manifest]:
    """Of stores that run beside the workers: who the table lets reach them."""
    return [_store(name) for name in stores]


def outside_stores(networks: Mapping[str, str]) -> list[Manifest]:
    """For stores that are not in the cluster: networks by store."""
    return [
        _policy(
            f"{store}-outside",
            {"matchExpressions": [{"key": NAME, "operator": "In", "values": [*users_of(store)]}]},
            egress=[{"to": [{"ipBlock": {"cidr": cidr}}], "ports": _ports(STORE_PORTS[store])}],
        )
        for store, cidr in networks.items()
    ]


def users_of(store: str) -> tuple[str, ...]:
    """The pods that may reach a store."""
    return (*(row.name for row in TABLE if store in facts.stores_of(row)), *((PROVISION,) if store != "redis" else ()))


def _policy(
    name: str, pods: Manifest, *, ingress: list[Manifest] | None = None, egress: list[Manifest] | None = None
) -> Manifest:
    rules = {"ingress": ingress, "egress": egress}
    said = {way: rule for way, rule in rules.items() if rule is not None}
    types = [way.capitalize() for way in said]
    return manifest(
        "networking.k8s.io/v1", "NetworkPolicy", name, spec={"podSelector": pods, "policyTypes": types, **said}
    )


def _ports(*numbers: int, protocol: str = "TCP") -> list[Manifest]:
    return [{"protocol": protocol, "port": number} for number in numbers]


def _in_namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _deny() -> Manifest:
    return _policy("nobody", {}, ingress=[], egress=[])


def _names() -> Manifest:
    dns = {**_in_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return _policy("names", {}, egress=[{"to": [dns], "ports": [*_ports(53, protocol="UDP"), *_ports(53)]}])


def _to(store: str) -> Manifest:
    return {"to": [{"podSelector": selector(store)}], "ports": _ports(STORE_PORTS[store])}


def _worker(row: WorkerKind) -> Manifest:
    traces = {"to": [_in_namespace(MONITORING)], "ports": _ports(OTLP_PORT)}
    return _policy(
        row.name,
        selector(row.name),
        ingress=[{"from": [_in_namespace(MONITORING)], "ports": _ports(OPS_PORT)}, *_doors(row)],
        egress=[*map(_to, facts.stores_of(row)), traces, *_internet(facts.ports_outside(row))],
    )


def _doors(row: WorkerKind) -> list[Manifest]:
    callers = [
        {"namespaceSelector": {"matchLabels": {CALLER: "true"}}},
        {"podSelector": {"matchLabels": {CALLER: "true"}}},
    ]
    doors = [number for name, number in facts.ports_of(row).items() if name != "ops"]
    return [{"from": callers, "ports": _ports(*doors)}] if doors else []


def _internet(numbers: Sequence[int]) -> list[Manifest]:
    """A policy knows no names of hosts: this is every public address on these ports."""
    blocks = [{"ipBlock": {"cidr": cidr, "except": list(private)}} for cidr, private in PRIVATE.items()]
    return [{"to": blocks, "ports": _ports(*numbers)}] if numbers else []


def _provision() -> Manifest:
    stores = [store for store in STORE_PORTS if PROVISION in users_of(store)]
    return _policy(PROVISION, selector(PROVISION), ingress=[], egress=[_to(store) for store in stores])


def _store(name: str) -> Manifest:
    users = {"matchExpressions": [{"key": NAME, "operator": "In", "values": [*users_of(name)]}]}
    callers = [
        {"from": [{"podSelector": {"matchLabels": {PART: "perpetua"}, **users}}], "ports": _ports(STORE_PORTS[name])}
    ]
    if name == "nats":
        callers.append({"from": [_in_namespace(MONITORING)], "ports": _ports(EXPORTER_PORT)})
    return _policy(name, selector(name), ingress=callers, egress=[])


def routes(port: int) -> Manifest:
    """The servers of a cluster of NATS reach each other."""
    peers = {"podSelector": selector("nats")}
    return _policy(
        "nats-routes",
        selector("nats"),
        ingress=[{"from": [peers], "ports": _ports(port)}],
        egress=[{"to": [peers], "ports": _ports(port)}],
    )
