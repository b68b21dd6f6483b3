"""The three servers as compose.yaml and Kubernetes run them: with files of `perpetua secrets`, empty, and started by
somebody else. Then `perpetua provision` makes of them what workers expect."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from cli.embedded.binaries import find
from cli.embedded.kind import Kind
from cli.embedded.mongo import KIND as MONGODB
from cli.embedded.nats import KIND as NATS
from cli.embedded.ports import pick
from cli.embedded.redis import KIND as REDIS
from cli.run.secret_files import API_KEY, PASSWORDS, SET_KEY, url_file, write_secrets
from libs.schemas.rights import KEEPER
from tests.integration.deployment.terminator import terminated
from tests.pace import PATIENCE_S
from tools.deploy import facts
from tools.paths import ROOT

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Encryption:
    """Files: who vouches for the servers, and what they show, as a chain and as one file with its key."""

    authorities: Path
    chain: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Deployment:
    """Servers that answer, and the folder of their secrets."""

    secrets: Path

    @property
    def api_key(self) -> str:
        return (self.secrets / API_KEY).read_text()

    def provision(self, **more: str) -> subprocess.CompletedProcess[str]:
        """`more` are other variables."""
        return self.run("provision", *self.users, "--api-key", str(self.secrets / API_KEY), **more)

    @property
    def users(self) -> tuple[str, str]:
        """The option of commands that make MongoDB's users."""
        return "--users", str(self.secrets / PASSWORDS)

    def url(self, server: str, user: str = "admin") -> str:
        return (self.secrets / url_file(server, user)).read_text()

    @property
    def as_keeper(self) -> dict[str, str]:
        """The variable of who backs streams up."""
        return facts.file_variables({"NATS_URL": url_file("nats", KEEPER)}, str(self.secrets))

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The command as the administrator; `more` are other variables."""
        files = facts.file_variables(facts.admin_secrets(), str(self.secrets))
        return subprocess.run(
            [BIN / "perpetua", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=plain_environment() | files | more,
        )


def plain_environment() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}


@contextlib.contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Provisioned once."""
    with servers(folder) as made:
        done = made.provision()
        assert done.returncode == 0, done.stderr
        yield made


@contextlib.contextmanager
def servers(folder: Path, tls: Encryption | None = None) -> Iterator[Deployment]:
    """Empty ones. With `tls` they speak nothing else."""
    nats, monitor, mongodb, redis = pick(4)
    secrets = folder / "secrets"
    ports = {"nats": nats, "mongodb": mongodb, "redis": redis}
    hosts = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    write_secrets(secrets, hosts, str(tls.authorities) if tls else "")
    with contextlib.ExitStack() as stack:
        _nats(stack, folder, secrets, (nats, monitor), tls)
        _redis(stack, folder, secrets, redis, tls)
        _mongodb(stack, folder, secrets, mongodb, tls)
        yield Deployment(secrets)


def _child(
    stack: contextlib.ExitStack, kind: Kind, folder: Path, options: Sequence[str], env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    binary = find(kind, os.environ, use_path=False).binary
    output = stack.enter_context((folder / f"{kind.name}.log").open("ab"))
    process = subprocess.Popen(
        [str(binary.path), *options], env={**os.environ, **binary.env, **(env or {})}, stdout=output, stderr=output
    )
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(PATIENCE_S)


def _until(answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not answers():
        assert time.monotonic() < deadline, "it does not answer"
        time.sleep(0.05)


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    assert process.poll() is None, "it ended"
    return any(c.laddr.port == port for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN")


def _nats(
    stack: contextlib.ExitStack, folder: Path, secrets: Path, ports: tuple[int, int], tls: Encryption | None
) -> None:
    port, monitor = ports
    lines = (secrets / "nats_passwords").read_text().splitlines()
    passwords = dict(line.split("=", 1) for line in lines)
    env = passwords | {"NATS_SERVER_NAME": "nats", "NATS_STORE_DIR": str(folder / "nats")}
    config = ROOT / "deploy" / "nats" / "nats.conf"
    options = ["--config", str(config), "-a", "127.0.0.1", "-p", str(port), "-m", str(monitor)]
    options += ["--tls", "--tlscert", str(tls.chain), "--tlskey", str(tls.key)] if tls else []
    process = _child(stack, NATS, folder, options, env)
    _until(lambda: _listens(process, port))


def _redis(stack: contextlib.ExitStack, folder: Path, secrets: Path, port: int, tls: Encryption | None) -> None:
    """The bundled one is built without TLS: something that speaks it stands before it."""
    (inner,) = pick(1) if tls else (port,)
    options = ["--aclfile", str(secrets / "redis_acl"), "--save", "", "--port", str(inner), "--bind", "127.0.0.1"]
    process = _child(stack, REDIS, folder, options)
    _until(lambda: _listens(process, inner))
    if tls:
        stack.enter_context(terminated(port, inner, tls.both))


def _mongodb(stack: contextlib.ExitStack, folder: Path, secrets: Path, port: int, tls: Encryption | None) -> None:
    """As the image does it: an administrator is made while nobody else can reach the server, which then starts with
    its key, a member of no set yet."""
    data, key = folder / "mongodb", folder / "key"
    data.mkdir()
    key.write_text((secrets / SET_KEY).read_text())
    key.chmod(0o400)
    where = ["--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]
    first = _child(stack, MONGODB, folder, where)
    with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
        password = (secrets / "mongodb_password").read_text()
        client.admin.command("createUser", "admin", pwd=password, roles=["root"])
    _end(first)
    encrypted = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(tls.both)] if tls else []
    vouched = ["--tlsCAFile", str(tls.authorities), "--tlsAllowConnectionsWithoutCertificates"] if tls else []
    again = [*where, *encrypted, *vouched, "--replSet", "perpetua", "--keyFile", str(key)]
    second = _child(stack, MONGODB, folder, again)
    more = f"&tls=true&tlsCAFile={tls.authorities}" if tls else ""
    _until(lambda: _listens(second, port) and _asks(f"admin:{password}@127.0.0.1:{port}/?directConnection=true{more}"))


def _asks(address: str) -> bool:
    try:
        with MongoClient[dict[str, Any]](f"mongodb://{address}") as client:
            return bool(client.admin.command("ping"))
    except PyMongoError:
        return False
