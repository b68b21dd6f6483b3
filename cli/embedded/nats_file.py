"""The configuration of nats-server for containers: that of the embedded one, on all interfaces, with passwords from the
environment."""

from cli.embedded.bus_users import accounts, password_variable
from cli.embedded.nats import MAX_FILE_STORE, MAX_PAYLOAD
from libs.schemas.rights import USERS


def nats_file() -> str:
    variables = " ".join(password_variable(user.name) for user in USERS)
    return f"""\
# Made by `python -m tools.checks --write` of libs/schemas/rights.py; `make check` compares it.
# Variables of the environment: NATS_SERVER_NAME, NATS_STORE_DIR, and a password each, which begins with a letter:
# {variables}

server_name: $NATS_SERVER_NAME
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: {MAX_PAYLOAD}
jetstream {{
  store_dir: $NATS_STORE_DIR
  sync_interval: always
  max_file_store: {MAX_FILE_STORE}
}}

{accounts()}"""
