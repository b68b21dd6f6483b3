"""The admin API key of a run: made once, kept in `.perpetua/api_key`, readable by its owner only."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from cli.errors import CliError
from cli.files import read_token
from libs.records.key_store import KeyStore, create_admin_key
from libs.records.keys import TOKEN_BYTES, key_id_of, token_of

KEY_NAME = "perpetua command"


async def ensure_api_key(store: KeyStore, file: Path) -> bool:
    """Make a key unless the one in `file` still opens this installation. True when one was made."""
    now, token = datetime.now(UTC), read_token(file)
    known = await store.find(key_id_of(token)) if token else None
    if known is not None and known.refusal(now) is None:
        return False
    token = token_of(secrets.token_bytes(TOKEN_BYTES))
    await create_admin_key(store, token, KEY_NAME, now)
    write_token(file, token)
    return True


def write_token(file: Path, token: str) -> None:
    """Mode 0600 from the first moment on."""
    scratch = file.with_name(f"{file.name}.tmp")
    try:
        scratch.unlink(missing_ok=True)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as output:
            output.write(f"{token}\n")
        scratch.replace(file)
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}", "check that the folder is writable") from error
