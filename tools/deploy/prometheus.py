"""deploy/prometheus/prometheus.yml: every worker is a target, by the name that compose gives it."""

from typing import Any

from cli.run.workers import TABLE
from tools.deploy.facts import EXPORTER_PORT, OPS_PORT, VOLUMES_PORT
from tools.deploy.text import to_yaml

EVERY = "15s"


def prometheus_file() -> str:
    return to_yaml(
        {
            "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
            "rule_files": ["rules/*.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
            "scrape_configs": [
                _found_by_name("nats-exporter", EXPORTER_PORT),
                _found_by_name("volumes-exporter", VOLUMES_PORT),
                *map(_worker, TABLE),
            ],
        },
        head=("For compose.yaml. In Kubernetes deploy/k8s/components/monitoring says the same.",),
    )


def _worker(row: Any) -> dict[str, Any]:
    return _found_by_name(row.name, OPS_PORT)


def _found_by_name(name: str, port: int) -> dict[str, Any]:
    """Asked of the name service each time: copies come and go."""
    return {
        "job_name": name,
        "dns_sd_configs": [{"names": [name], "type": "A", "port": port, "refresh_interval": "10s"}],
    }
