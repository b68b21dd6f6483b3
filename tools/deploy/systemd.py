"""Units for one machine without containers: the project in /opt/perpetua, settings and secrets in /etc/perpetua."""

from collections.abc import Mapping

from cli.run.secret_files import API_KEY, PASSWORDS
from cli.run.workers import TABLE, WorkerKind
from libs.runtime.settings import FILE_ENDING
from tools.deploy import facts
from tools.deploy.facts import MADE

HOME = "/opt/perpetua"
PYTHON = f"{HOME}/.venv/bin/python"
SECRETS = "/etc/perpetua/secrets"
TARGET = "perpetua.target"
PROVISION = "perpetua-provision.service"
# What a process of ours never needs. W^X would stop LiteLLM's and numpy's compiled parts.
FENCES = (
    "DynamicUser=yes",
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
)


def units() -> dict[str, str]:
    """Text of each unit, by its file name."""
    return {
        TARGET: _target(),
        PROVISION: _provision(),
        **{f"{_unit(row)}.service": _worker(row) for row in TABLE},
    }


def _unit(row: WorkerKind) -> str:
    return f"perpetua-{row.name}"


def _lines(*parts: str) -> str:
    return f"# {MADE}\n\n" + "\n".join(parts) + "\n"


def _target() -> str:
    return _lines("[Unit]", "Description=Perpetua, all workers", "", "[Install]", "WantedBy=multi-user.target")


def _secrets(files: Mapping[str, str]) -> list[str]:
    """systemd reads them as root and shows them to this unit alone."""
    loads = [f"LoadCredential={file}:{SECRETS}/{file}" for file in files.values()]
    return loads + [f"Environment={variable}{FILE_ENDING}=%d/{file}" for variable, file in files.items()]


def _provision() -> str:
    secrets = {**facts.admin_secrets(), "USERS": PASSWORDS, "API_KEY": API_KEY}
    loads = [line for line in _secrets(secrets) if "USERS" not in line and "Environment=API_KEY" not in line]
    return _lines(
        "[Unit]",
        "Description=Perpetua, users, streams, indexes and configuration",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "EnvironmentFile=-/etc/perpetua/common.env",
        *loads,
        f"WorkingDirectory={HOME}",
        f"ExecStart={HOME}/.venv/bin/perpetua provision --users %d/{PASSWORDS} --api-key %d/{API_KEY}",
        *FENCES,
    )


def _worker(row: WorkerKind) -> str:
    room = facts.room_of(row.name)
    ports = [f"Environment={variable}={facts.PORTS[variable] + _shift(row, variable)}" for variable in row.ports]
    return _lines(
        "[Unit]",
        f"Description=Perpetua, {row.name}",
        f"Requires={PROVISION}",
        f"After={PROVISION} network-online.target",
        f"PartOf={TARGET}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStart={PYTHON} -P -m {row.module}",
        f"WorkingDirectory={HOME}",
        *ports,
        f"Environment=PERPETUA_GRACEFUL_TIMEOUT={room.grace}",
        "EnvironmentFile=-/etc/perpetua/common.env",
        f"EnvironmentFile=-/etc/perpetua/{row.name}.env",
        *_secrets(facts.secrets_of(row)),
        "Restart=always",
        "RestartSec=1",
        "KillSignal=SIGTERM",
        f"TimeoutStopSec={room.period}",
        f"MemoryMax={room.most_memory}M",
        *FENCES,
        "",
        "[Install]",
        f"WantedBy={TARGET}",
    )


def _shift(row: WorkerKind, variable: str) -> int:
    """All workers are on one machine: each has an operations port of its own, in the order of the table."""
    return 1 + TABLE.index(row) if variable == "PERPETUA_OPS_PORT" else 0
