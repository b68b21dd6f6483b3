"""The services of compose.yaml that watch the others: profile `observability`."""

from cli.run.secret_files import GRAFANA
from tools.deploy.compose_parts import Service, hardened, healthy, of_profile, on_loopback
from tools.deploy.facts import EXPORTER_PORT, MONITOR_PORT, SECRET_FOLDER, SERVERS, VOLUMES_PORT

NOBODY = "65534:65534"


def watchers() -> dict[str, Service]:
    services = {
        "nats-exporter": _exporter(),
        "volumes-exporter": _volumes(),
        "prometheus": _prometheus(),
        "alertmanager": _alertmanager(),
        "collector": _collector(),
        "tempo": _tempo(),
        "grafana": _grafana(),
    }
    return {name: of_profile("observability", service) for name, service in services.items()}


def _ready(url: str) -> Service:
    return healthy(["wget", "-q", "-O", "/dev/null", url])


def _exporter() -> Service:
    """nats-server itself speaks no Prometheus."""
    return {
        "image": SERVERS["nats-exporter"],
        "command": [f"-port={EXPORTER_PORT}", "-varz", "-jsz=all", f"http://nats:{MONITOR_PORT}"],
        **hardened(128, 0.5, NOBODY),
        "networks": ["nats", "watch"],
    }


def _volumes() -> Service:
    """How much room is left where the servers write, asked of the file systems alone.

    Trap: without `nocopy` a new volume would be made as this image has the folder, and not be its server's.
    """
    return {
        "image": SERVERS["volumes-exporter"],
        "command": [
            "--collector.disable-defaults",
            "--collector.filesystem",
            "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|etc)($$|/)",
            f"--web.listen-address=:{VOLUMES_PORT}",
        ],
        **hardened(64, 0.2, NOBODY),
        "volumes": [
            {
                "type": "volume",
                "source": name,
                "target": f"/volumes/{name}",
                "read_only": True,
                "volume": {"nocopy": True},
            }
            for name in ("nats", "mongodb")
        ],
        "networks": ["watch"],
        "healthcheck": _ready(f"http://127.0.0.1:{VOLUMES_PORT}/"),
    }


def _prometheus() -> Service:
    return {
        "image": SERVERS["prometheus"],
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=15d",
            "--enable-feature=exemplar-storage",
        ],
        **hardened(1024, user=NOBODY),
        "volumes": ["./deploy/prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
        "networks": ["watch"],
        "healthcheck": _ready("http://127.0.0.1:9090/-/ready"),
    }


def _alertmanager() -> Service:
    """Silences are lost with it; a volume would be root's."""
    return {
        "image": SERVERS["alertmanager"],
        "command": [
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/tmp/alertmanager",
            "--cluster.listen-address=",
        ],
        **hardened(128, 0.5, NOBODY),
        "volumes": ["./deploy/alertmanager:/etc/alertmanager:ro"],
        "networks": ["watch"],
        "healthcheck": _ready("http://127.0.0.1:9093/-/ready"),
    }


def _collector() -> Service:
    """Its image has no shell: Docker cannot ask it how it is."""
    return {
        "image": SERVERS["collector"],
        "command": ["--config=/etc/otel/collector.yaml"],
        **hardened(256),
        "volumes": ["./deploy/otel:/etc/otel:ro"],
        "networks": ["watch"],
    }


def _tempo() -> Service:
    return {
        "image": SERVERS["tempo"],
        "command": ["-config.file=/etc/tempo/tempo.yaml"],
        **hardened(1024, user="10001:10001"),
        "volumes": ["./deploy/tempo:/etc/tempo:ro", "tempo:/var/tempo"],
        "networks": ["watch"],
        "healthcheck": _ready("http://127.0.0.1:3200/ready"),
    }


def _grafana() -> Service:
    return {
        "image": SERVERS["grafana"],
        "environment": {
            "GF_PATHS_PROVISIONING": "/etc/grafana/perpetua/provisioning",
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{SECRET_FOLDER}/{GRAFANA}",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        **hardened(512, user="472:0"),
        "secrets": [GRAFANA],
        "volumes": ["./deploy/grafana:/etc/grafana/perpetua:ro", "grafana:/var/lib/grafana"],
        "networks": ["watch", "door"],
        "ports": [on_loopback(3000, "GRAFANA_PUBLISHED")],
        "healthcheck": _ready("http://127.0.0.1:3000/api/health"),
    }
