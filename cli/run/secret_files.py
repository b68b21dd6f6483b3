"""The secrets of a deployment, a file each, as containers, Kubernetes and systemd hand them over: passwords of all
users of the servers, and what people put in."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic_settings import BaseSettings

from cli.embedded import mongo, nats, redis
from cli.embedded.access import ADMIN, Access, Passwords, remembered_passwords, write_private
from cli.embedded.bus_users import password_variable
from cli.embedded.redis import acl
from cli.run.variables import settings_classes
from libs.records.keys import TOKEN_BYTES, token_of
from libs.runtime.settings import variables_of

PASSWORDS = "passwords.json"
API_KEY = "api_key"
SET_KEY = "mongodb_key"
GRAFANA = "grafana_password"
ROUTES = "routes"  # what servers of a cluster are to each other
HOSTS: Mapping[str, str] = {"nats": "nats:4222", "mongodb": "mongodb:27017", "redis": "redis:6379"}
KINDS = {kind.name: kind for kind in (nats.KIND, mongo.KIND, redis.KIND)}
_MODE = 0o444


def url_file(server: str, user: str) -> str:
    return f"{server}_url_{user}"


def keys_of(settings: type[BaseSettings]) -> dict[str, str]:
    """Variables of a worker that hold a secret of somebody else, as a model's provider, each with its file."""
    names = variables_of(settings)
    secret = (name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation))
    return {names[name][0]: names[name][0].lower() for name in secret}


def write_secrets(folder: Path, hosts: Mapping[str, str] = HOSTS, authorities: str = "") -> list[str]:
    """Write what is missing, and what differs from the passwords that the folder has; returns the names of all files.

    With `authorities`, a file as workers see it, all servers speak TLS and those vouch for them.

    The folder is its owner's alone; the files in it are readable by all, since a container sees the file without its
    folder and runs as another user.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    passwords = remembered_passwords(
        folder / PASSWORDS,
        {
            **{name: kind.users for name, kind in KINDS.items()},
            "replica set": ["key"],
            "nats cluster": [ROUTES],
            "grafana": [ADMIN],
        },
    )
    (folder / PASSWORDS).chmod(_MODE)
    texts = dict(_texts(passwords, hosts, authorities))
    filled_in = {file for settings in settings_classes().values() for file in keys_of(settings).values()}
    kept = {API_KEY: token_of(secrets.token_bytes(TOKEN_BYTES)), **dict.fromkeys(filled_in, "")}
    texts |= {name: text for name, text in kept.items() if not (folder / name).exists()}
    for name, text in texts.items():
        write_private(folder / name, text, _MODE)
    return sorted({PASSWORDS, *texts, *kept})


def _texts(passwords: Passwords, hosts: Mapping[str, str], authorities: str) -> Iterator[tuple[str, str]]:
    for server, kind in KINDS.items():
        access = Access(passwords[server])
        for user in kind.users:
            yield url_file(server, user), _url(server, access.login(user), hosts[server], authorities)
    by_variable = {password_variable(user): password for user, password in passwords["nats"].items()}
    by_variable[password_variable(ROUTES)] = passwords["nats cluster"][ROUTES]
    yield "nats_passwords", "".join(f"{variable}={password}\n" for variable, password in by_variable.items())
    yield SET_KEY, passwords["replica set"]["key"]
    yield "mongodb_password", passwords["mongodb"][ADMIN]
    yield "redis_acl", "".join(f"{line}\n" for line in acl(passwords["redis"]))
    yield GRAFANA, passwords["grafana"][ADMIN]


def _url(server: str, login: str, host: str, authorities: str) -> str:
    """NATS is told its authorities by PERPETUA_NATS_CA."""
    rest = {"mongodb": "/?replicaSet=perpetua&authSource=admin", "redis": "/0"}.get(server, "")
    if not authorities:
        return f"{server}://{login}{host}{rest}"
    scheme = {"nats": "tls", "redis": "rediss"}.get(server, server)
    file = quote(authorities, safe="/")
    more = {"mongodb": f"&tls=true&tlsCAFile={file}", "redis": f"?ssl_ca_certs={file}"}.get(server, "")
    return f"{scheme}://{login}{host}{rest}{more}"
