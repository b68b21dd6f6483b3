"""How many: KEDA by what waits in the durables, and what Prometheus reads in Kubernetes."""

from collections.abc import Mapping
from typing import Any

import yaml

from cli.run.workers import TABLE, WorkerKind
from libs.schemas.subjects import EXECUTOR_PARTITIONS
from tools.deploy import facts
from tools.deploy.manifest import KIND, PART, WORKER, Manifest, labels, manifest, selector
from tools.deploy.policies import MONITORING
from tools.paths import ROOT

PROMETHEUS = f"http://prometheus-operated.{MONITORING}:9090"
RULES = ROOT / "deploy" / "prometheus" / "rules"
MOST: Mapping[str, int] = {"decider": 10}
WAITING: Mapping[str, int] = {"decider": 32}  # messages that one copy may have before it: half of what it has in hand


def by_lag(row: WorkerKind) -> bool:
    """The executor is not among them: partitions are leased, and a copy more takes its share at once."""
    durables = facts.durables_of(row)
    return bool(durables) and not row.single and not set(durables) & {one.name for one in EXECUTOR_PARTITIONS}


def scaled_objects() -> list[Manifest]:
    return [_scaled(row) for row in TABLE if by_lag(row)]


def query(row: WorkerKind) -> str:
    """Followers of a stream report 0: what counts is the most that any server says of a durable."""
    names = "|".join(facts.durables_of(row))
    return f'sum(max by (consumer_name) (jetstream_consumer_num_pending{{consumer_name=~"{names}"}}))'


def _scaled(row: WorkerKind) -> Manifest:
    """No answer is no zero (`ignoreNullValues`): then there are as many as before, and no fewer than two."""
    trigger = {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": PROMETHEUS,
            "query": query(row),
            "threshold": str(WAITING.get(row.name, 50)),
            "ignoreNullValues": "false",
        },
    }
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        row.name,
        of=labels(row.name, WORKER),
        spec={
            "scaleTargetRef": {"name": row.name},
            "minReplicaCount": 1,
            "maxReplicaCount": MOST.get(row.name, 4),
            "pollingInterval": 10,
            "fallback": {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"},
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleDown": {
                            "stabilizationWindowSeconds": 300,
                            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                        }
                    }
                }
            },
            "triggers": [trigger],
        },
    )


def monitors() -> list[Manifest]:
    return [
        _monitor("workers", {KIND: WORKER, PART: "perpetua"}, "ops"),
        _monitor("nats", selector("nats")["matchLabels"], "metrics"),
    ]


def _monitor(name: str, wanted: Mapping[str, str], port: str) -> Manifest:
    """The job of a series is the worker's name, as under compose."""
    relabel = [{"sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"], "targetLabel": "job"}]
    return manifest(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        f"perpetua-{name}",
        of={PART: "perpetua"},
        spec={
            "selector": {"matchLabels": dict(wanted)},
            "podMetricsEndpoints": [{"port": port, "path": "/metrics", "interval": "15s", "relabelings": relabel}],
        },
    )


def rules() -> list[Manifest]:
    """The rules of deploy/prometheus/rules as the operator reads them."""
    return [
        manifest(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            f"perpetua-{file.stem}",
            of={PART: "perpetua"},
            spec=_groups(file.read_text()),
        )
        for file in sorted(RULES.glob("*.yaml"))
    ]


def _groups(text: str) -> dict[str, Any]:
    return {"groups": yaml.safe_load(text)["groups"]}
