"""Secrets of live accounts, from files or the environment of this process alone, under the name the account gives."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.runtime.settings import CREDENTIAL_PREFIX
from services.executor.domain.differences import Secrets

PARTS: Mapping[Secrets, tuple[str, ...]] = {
    "wallet_key": ("KEY",),
    "key_and_secret": ("KEY", "SECRET"),
    "key_secret_passphrase": ("KEY", "SECRET", "PASSPHRASE"),
}


class NoCredential(Exception):
    """A secret is not there or not readable. The text names variables, never values."""


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """Secrets by part. Its text is its name, so that no log and no message can hold more."""

    name: str
    parts: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Credential({self.name})"

    def clean(self, text: str) -> str:
        """`text` without any of the secrets."""
        for secret in self.parts.values():
            text = text.replace(secret, "***").replace(secret.removeprefix("0x"), "***")
        return text


def variable(name: str, part: str) -> str:
    """main-1, KEY -> PERPETUA_CREDENTIAL_MAIN_1_KEY."""
    return f"{CREDENTIAL_PREFIX}{re.sub(r'[^A-Z0-9]', '_', name.upper())}_{part}"


def load(name: str, secrets: Secrets, env: Mapping[str, str]) -> Credential:
    """Raises NoCredential, which names every variable that is missing."""
    found = {part: _read(variable(name, part), env) for part in PARTS[secrets]}
    missing = [variable(name, part) for part, value in found.items() if not value]
    if missing:
        raise NoCredential(f"credential {name}: set {' and '.join(missing)}, or the same names with _FILE")
    return Credential(name, {part: value for part, value in found.items() if value})


def _read(key: str, env: Mapping[str, str]) -> str | None:
    if value := env.get(key, "").strip():
        return value
    if not (path := env.get(f"{key}_FILE")):
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoCredential(f"{key}_FILE cannot be read: {type(error).__name__}") from None
