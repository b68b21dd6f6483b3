"""mongod as a replica set of one member, which is what transactions need."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from cli.embedded.access import ADMIN, Access, write_private
from cli.embedded.kind import Kind
from libs.records.rights import WRITES, reads

_REPLICA_SET = "perpetua"
_PRIMARY_TIMEOUT_S = 60.0
_URL_TIMEOUT_MS = 5000
_NOT_YET_INITIALIZED = 94


def _argv(program: Path, home: Path, ports: Sequence[int], access: Access) -> list[str]:
    """`--oplogSize` in MB; quiesce time 0 because there is no other member that could take over."""
    data = home / "data"
    data.mkdir(exist_ok=True)
    asks_who: tuple[str, ...] = ()
    if access.passwords:
        write_private(home / "key", access.key, 0o400)
        asks_who = ("--keyFile", str(home / "key"), "--setParameter", "enableLocalhostAuthBypass=0")
    return [
        *(str(program), *asks_who, "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(ports[0])),
        *("--replSet", _REPLICA_SET, "--oplogSize", "256", "--wiredTigerCacheSizeGB", "0.25"),
        *("--quiet", "--nounixsocket"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
    ]


def _claim(admin: Database[dict[str, Any]], host: str) -> None:
    """Make `host` the one member of the replica set.

    A mongod on another port than the stored configuration names never becomes primary by itself: hence by force.
    """
    try:
        config = admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": [{"_id": 0, "host": host}]})
        return
    if [member["host"] for member in config["members"]] != [host]:
        config["members"] = [{"_id": 0, "host": host}]
        config["version"] += 1
        admin.command("replSetReconfig", config, force=True)


def _settle(port: int, access: Access) -> str:
    """Wait until the mongod at `port` is primary; its version. ValueError after 60 s without.

    Trap: on a new port mongod first asks whoever holds its old one whether that is itself; a program that accepts
    there and says nothing makes that 31 s, in which commands wait. Refused or answered, it is milliseconds.
    """
    host = f"127.0.0.1:{port}"
    deadline = time.monotonic() + _PRIMARY_TIMEOUT_S
    state = "no answer"
    with MongoClient[dict[str, Any]](host, **_options(access)) as client:
        while time.monotonic() < deadline:
            try:
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary") and hello.get("me") == host:
                    make_users(client.admin, access)
                    return str(client.admin.command("buildInfo")["version"])
                _claim(client.admin, host)
            except PyMongoError as error:  # while it loads or changes its configuration it refuses; asked again
                state = str(error)
            time.sleep(0.01)
    raise ValueError(f"mongod did not become primary: {state}")


def begin_set(url: str, host: str) -> None:
    """Make the mongod at `url` a replica set of one member, known as `host` to its clients, unless it is in a set
    already. Returns once it is primary. ValueError after 60 s without."""
    deadline = time.monotonic() + _PRIMARY_TIMEOUT_S
    with MongoClient[dict[str, Any]](_direct(url), serverSelectionTimeoutMS=_URL_TIMEOUT_MS) as client:
        hello = client.admin.command("hello")
        if "setName" not in hello:
            client.admin.command("replSetInitiate", {"_id": _REPLICA_SET, "members": [{"_id": 0, "host": host}]})
            while not hello.get("isWritablePrimary"):
                if time.monotonic() > deadline:
                    raise ValueError("mongod did not become primary")
                time.sleep(0.05)
                hello = client.admin.command("hello")


def _direct(url: str) -> str:
    """A client that names a replica set finds no server before there is one."""
    base, _, query = url.partition("?")
    options = [one for one in query.split("&") if one and not one.startswith("replicaSet=")]
    return f"{base}?{'&'.join([*options, 'directConnection=true'])}"


def _options(access: Access) -> dict[str, Any]:
    """With users, as the one that members of a replica set are to each other: it is there before all others."""
    who = {"username": "__system", "password": access.key, "authSource": "local", "authMechanism": "SCRAM-SHA-256"}
    options = {"directConnection": True, "serverSelectionTimeoutMS": 2000}
    return {**options, **(who if access.passwords else {})}


def make_users(admin: Database[dict[str, Any]], access: Access) -> None:
    """Make the users with their rights, or bring those that differ to what they are now; none where there are none."""
    known = {one["user"]: one.get("customData", {}).get("made") for one in admin.command("usersInfo")["users"]}
    for user, password in access.passwords.items():
        rights = _privileges(user, access.database)
        made = hashlib.sha256(json.dumps([password, rights]).encode()).hexdigest()
        if known.get(user) == made:
            continue
        roles: list[str | dict[str, str]] = ["root"]
        if user != ADMIN:
            _put(admin, "Role", user, {"privileges": rights, "roles": []})
            roles = [{"role": user, "db": "admin"}]
        _put(admin, "User", user, {"pwd": password, "roles": roles, "customData": {"made": made}}, known=user in known)


def _put(
    admin: Database[dict[str, Any]], what: str, name: str, fields: Mapping[str, Any], *, known: bool | None = None
) -> None:
    if known is None:
        known = bool(admin.command("rolesInfo", name)["roles"])
    admin.command({f"{'update' if known else 'create'}{what}": name, **fields})


def _privileges(user: str, database: str) -> list[dict[str, Any]]:
    """On a collection each; `listCollections` on all of them."""
    writes = WRITES.get(user, ())
    on_each = (
        {
            "resource": {"db": database, "collection": name},
            "actions": ["find", "listIndexes", *(("insert", "update", "remove") if name in writes else ())],
        }
        for name in reads()
    )
    return [{"resource": {"db": database, "collection": ""}, "actions": ["listCollections"]}, *on_each]


def _last_words(output: str) -> str:
    """The first error or fatal message in a log of JSON lines, with its cause."""
    for line in output.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("s") in ("E", "F"):
            attributes = entry.get("attr", {})
            return f"{entry.get('msg')} {attributes.get('error', attributes)}"
    return output.strip().rpartition("\n")[2]


def _version_at(url: str) -> str:
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=_URL_TIMEOUT_MS) as client:
            hello = client.admin.command("hello")
            version = str(client.admin.command("buildInfo")["version"])
    except (PyMongoError, ConfigurationError) as error:
        raise ValueError(str(error)) from error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise ValueError("it is a standalone mongod; transactions need a replica set (mongod --replSet)")
    return version


def _url(port: int, login: str, access: Access) -> str:
    return f"mongodb://{login}127.0.0.1:{port}/?replicaSet={_REPLICA_SET}" + ("&authSource=admin" if login else "")


KIND = Kind(
    name="mongodb",
    program="mongod",
    variable="MONGODB_URL",
    minimum=(6, 0),
    port_count=1,
    argv=_argv,
    settle=_settle,
    url=_url,
    users=(ADMIN, *WRITES),
    version_at=_version_at,
    last_words=_last_words,
)
