"""The generated part of deploy/k8s: base and components. Overlays are written by hand: what one installation is."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.embedded.nats_file import nats_file
from cli.run.workers import TABLE
from tools.deploy import facts, kubernetes, policies, scaling, stores
from tools.deploy.manifest import NAMESPACE, PART, Manifest, manifest
from tools.deploy.text import comment, to_yaml
from tools.paths import ROOT

# Where the stores of an installation lie that are not in the cluster: to be replaced by an overlay.
OUTSIDE: Mapping[str, str] = {"mongodb": "10.0.0.0/8", "redis": "10.0.0.0/8"}
CONFIG_OF_NATS = "perpetua-nats"


def k8s_files() -> dict[str, str]:
    """Text by path below deploy/k8s."""
    return {
        **_folder("base", "Kustomization", _base(), **_base_config()),
        f"base/{kubernetes.ROUTES_FILE}": (ROOT / facts.ROUTES).read_text(),
        **_folder("components/stores", "Component", _stores(), **_nats_config("nats.conf")),
        "components/stores/nats.conf": nats_file(),
        **_folder("components/nats-cluster", "Component", _cluster(), **_nats_config("nats.conf", "cluster.conf")),
        "components/nats-cluster/nats.conf": nats_file(),
        "components/nats-cluster/cluster.conf": stores.cluster_file(),
        **_folder("components/outside-stores", "Component", {"network.yaml": policies.outside_stores(OUTSIDE)}),
        **_folder("components/external-secrets", "Component", {"secrets.yaml": _external_secrets()}),
        **_folder("components/scaling", "Component", {"scaled-objects.yaml": scaling.scaled_objects()}),
        **_folder("components/monitoring", "Component", _monitoring()),
        "secrets.sh": secrets_script(),
    }


def _base() -> dict[str, Sequence[Manifest]]:
    return {
        "namespace.yaml": [kubernetes.namespace()],
        "network.yaml": policies.policies(),
        "provision.yaml": kubernetes.provision(),
        **{f"{row.name}.yaml": kubernetes.worker(row) for row in TABLE},
    }


def _base_config() -> dict[str, Any]:
    literals = {f"perpetua-{row.name}": facts.fixed(row) for row in TABLE}
    literals[f"perpetua-{kubernetes.PROVISION}"] = {"PERPETUA_MONGODB_DB": "perpetua"}
    return {
        "namespace": NAMESPACE,
        "configMapGenerator": [
            {"name": name, "literals": [f"{variable}={value}" for variable, value in values.items()]}
            for name, values in literals.items()
        ]
        + [{"name": kubernetes.ROUTES_CONFIG, "files": [kubernetes.ROUTES_FILE]}],
    }


def _nats_config(*files: str) -> dict[str, Any]:
    return {"configMapGenerator": [{"name": CONFIG_OF_NATS, "files": list(files)}]}


def _stores() -> dict[str, Sequence[Manifest]]:
    return {
        "stores.yaml": stores.stores(),
        "network.yaml": policies.store_policies(("nats", "mongodb", "redis")),
    }


def _cluster() -> dict[str, Sequence[Manifest]]:
    return {
        "nats.yaml": stores.nats(stores.COPIES),
        "network.yaml": [*policies.store_policies(("nats",)), policies.routes(stores.ROUTE_PORT)],
    }


def _monitoring() -> dict[str, Sequence[Manifest]]:
    rules = scaling.rules()
    return {"monitors.yaml": scaling.monitors(), **({"rules.yaml": rules} if rules else {})}


def _external_secrets() -> list[Manifest]:
    """Of those that the live installation has: MongoDB and Redis are somebody else's there."""
    owners = kubernetes.secrets_by_owner()
    return [
        _external(name, files) for name, files in owners.items() if name not in ("perpetua-mongodb", "perpetua-redis")
    ]


def _external(name: str, files: Sequence[str]) -> Manifest:
    return manifest(
        "external-secrets.io/v1",
        "ExternalSecret",
        name,
        of={PART: "perpetua"},
        spec={
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "perpetua"},
            "target": {"name": name},
            "data": [{"secretKey": file, "remoteRef": {"key": f"perpetua/{file}"}} for file in files],
        },
    )


def _folder(folder: str, kind: str, files: Mapping[str, Sequence[Manifest]], **rest: Any) -> dict[str, str]:
    version = "v1beta1" if kind == "Kustomization" else "v1alpha1"
    head = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind, **rest, "resources": list(files)}
    return {
        f"{folder}/kustomization.yaml": to_yaml(head),
        **{f"{folder}/{name}": to_yaml(*manifests) for name, manifests in files.items()},
    }


def secrets_script() -> str:
    """Hands the folder of `perpetua secrets` to the cluster."""
    commands = [
        "  ".join([f"put {name}", *(f'--from-file="$folder/{file}"' for file in files)])
        for name, files in kubernetes.secrets_by_owner().items()
    ]
    return (
        "#!/bin/sh\n"
        + comment("sh deploy/k8s/secrets.sh FOLDER: what `perpetua secrets FOLDER` made, as Secrets of the cluster.")
        + f"""
set -eu
folder="${{1:?the folder that perpetua secrets wrote}}"

put() {{
  name="$1"; shift
  kubectl create secret generic "$name" --namespace {NAMESPACE} --dry-run=client --output yaml "$@" | kubectl apply -f -
}}

"""
        + "\n".join(" ".join(command.split("  ")) for command in commands)
        + "\n"
    )
