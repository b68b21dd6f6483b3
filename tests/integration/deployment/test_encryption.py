"""All three servers speak TLS alone: provisioned and used by a worker that has all of them."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from cli.embedded.kind import without_credentials
from libs.runtime.authorities import authorities
from tests.integration.deployment.servers import Deployment, Encryption, servers
from tests.integration.deployment.workers import running
from tests.pace import PATIENCE_S


def made_in(folder: Path, name: str) -> Encryption:
    """Certificates for this machine, of an authority of their own."""
    authority = trustme.CA(organization_name=name)
    shown = authority.issue_cert("127.0.0.1", "localhost")
    made = Encryption(*(folder / f"{name}-{part}.pem" for part in ("ca", "chain", "key", "both")))
    authority.cert_pem.write_to_path(made.authorities)
    shown.private_key_pem.write_to_path(made.key)
    shown.private_key_and_cert_chain_pem.write_to_path(made.both)
    for pem in shown.cert_chain_pems:
        pem.write_to_path(made.chain, append=True)
    return made


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Encryption:
    return made_in(tmp_path_factory.mktemp("certificates"), "ours")


@pytest.fixture(scope="module")
def encrypted(tls: Encryption, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with servers(tmp_path_factory.mktemp("encrypted"), tls) as made:
        done = made.provision(PERPETUA_NATS_CA=str(tls.authorities))
        assert done.returncode == 0, done.stderr
        yield made


def test_a_worker_of_all_three_servers_becomes_ready(encrypted: Deployment, tls: Encryption, tmp_path: Path) -> None:
    schemes = [encrypted.url(server, "gateway").partition(":")[0] for server in ("nats", "mongodb", "redis")]
    assert schemes == ["tls", "mongodb", "rediss"]
    with running("gateway", encrypted, tmp_path / "log", PERPETUA_NATS_CA=str(tls.authorities)):
        pass


@pytest.mark.parametrize("whose", ["", "another"])
def test_a_server_whom_nobody_vouches_for_is_not_spoken_to(whose: str, encrypted: Deployment, tmp_path: Path) -> None:
    file = str(made_in(tmp_path, whose).authorities) if whose else ""
    done = encrypted.provision(PERPETUA_NATS_CA=file)
    assert done.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr and "Traceback" not in done.stderr


def test_plain_speech_is_refused(encrypted: Deployment) -> None:
    host, port = without_credentials(encrypted.url("nats")).removeprefix("tls://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        assert b'"tls_required":true' in connection.recv(4096)
    address = f"{encrypted.url('mongodb').split('/?')[0]}/?directConnection=true"
    with MongoClient[dict[str, Any]](address, serverSelectionTimeoutMS=2_000) as client, pytest.raises(PyMongoError):
        client.admin.command("ping")
    with Redis.from_url(encrypted.url("redis", "gateway")) as redis:
        assert redis.incr("perpetua:rate:key:1") == 1
    plain = without_credentials(encrypted.url("redis", "gateway")).replace("rediss", "redis").split("?")[0]
    with Redis.from_url(plain, socket_timeout=2) as redis, pytest.raises((RedisError, OSError)):
        redis.ping()


def test_a_file_without_certificates_is_told_at_the_start(tmp_path: Path) -> None:
    (file := tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(OSError, match="NO_CERTIFICATE"):
        authorities(str(file))
