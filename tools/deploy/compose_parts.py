"""What services of compose.yaml have in common."""

from collections.abc import Sequence
from typing import Any

from tools.deploy.facts import UID

Service = dict[str, Any]


def of_profile(profile: str, service: Service) -> Service:
    return {"profiles": [profile], **service}


def hardened(memory: int, cpu: float = 1.0, user: str = f"{UID}:{UID}") -> Service:
    return {
        "user": user,
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "deploy": {"resources": {"limits": {"cpus": str(cpu), "memory": f"{memory}M", "pids": 512}}},
        "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
        "restart": "unless-stopped",
    }


def healthy(test: Sequence[str], start: int = 30) -> Service:
    return {"test": ["CMD", *test], "interval": "10s", "timeout": "5s", "retries": 6, "start_period": f"{start}s"}


def on_loopback(port: int, variable: str) -> Service:
    """A port that is published on this machine alone, under another number where `variable` says one."""
    return {"target": port, "published": f"${{{variable}:-{port}}}", "host_ip": "127.0.0.1", "protocol": "tcp"}
