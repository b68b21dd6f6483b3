"""Names that stand in subjects and keys of buckets, and what may be called so."""

import re
from typing import NewType, TypeGuard

KEY_PATTERN = r"^[A-Za-z0-9_-]{1,32}$"
Key = NewType("Key", str)  # has passed KEY_PATTERN: only of such a text a subject or a key of a bucket is made
ANY = Key("*")  # in the place of a key it makes a filter over all of them
# Words that mean something else where an account or a strategy stands: scopes of controls, parts of subjects and paths.
RESERVED = frozenset(
    {"all", "global", "none", "available", "alerts", "account", "accounts", "strategy", "strategies", "custom"}
    | {"compare", "validate", "recommendations", "switch", "control", "history", "metrics", "config", "market"}
)
_KEY = re.compile(KEY_PATTERN.removesuffix("$"))
_PART = r"[^\s.*>\x00-\x1f\x7f]{1,160}"
_ONE = re.compile(rf"{_PART}(\.{_PART})*")


def is_key(text: str) -> TypeGuard[Key]:
    """Whether a text may stand as the key of a subject: an account, a strategy, a symbol."""
    return _KEY.fullmatch(text) is not None


def key_of(text: str) -> Key:
    """The text as a key. Raises ValueError for one that is none: text from outside is refused before it comes here."""
    if not is_key(text):
        raise ValueError(f"{text[:40]!r} is no key: {KEY_PATTERN}")
    return text


def names_one(key: str) -> bool:
    """Whether a key of a bucket stands for one entry: no pattern, no gap between dots."""
    return _ONE.fullmatch(key) is not None
