"""Writing of configuration: compare-and-set, a version more, and who and why in the same write (ADR 0019).

A KV entry is a message: who and why travel in its headers, so that no crash can part a change from its author. The
ledger reads the bucket as a log and makes an AuditEvent of every write, also of those that somebody made past this.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol

from pydantic import ValidationError

from libs.runtime.errors import Conflict
from libs.runtime.failpoints import hit
from libs.runtime.validation import explain
from libs.schemas.kinds import C, kind_of
from libs.schemas.names import RESERVED
from libs.schemas.strict import refuse, strictly, unknown_fields
from libs.schemas.subjects import MAX_MESSAGE_BYTES

CHANGE = "Perpetua-Change"
UNKNOWN = "unknown"
ATTEMPTS = 8
WHO_CHARS, WHY_CHARS = 100, 500


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and why."""

    who: str
    why: str

    def header(self) -> dict[str, str]:
        """In ASCII: what a header holds besides comes back garbled."""
        return {CHANGE: json.dumps({"who": self.who[:WHO_CHARS], "why": self.why[:WHY_CHARS]})}


def by_of(headers: Mapping[str, str] | None) -> By:
    """The author of a write; of one that was made past this module nobody knows."""
    try:
        said = json.loads((headers or {}).get(CHANGE, ""))
        return By(str(said["who"])[:WHO_CHARS] or UNKNOWN, str(said["why"])[:WHY_CHARS])
    except (ValueError, KeyError, TypeError):
        return By(UNKNOWN, "written to the bucket directly")


@dataclass(frozen=True, slots=True)
class Written:
    """One write of a key. `value` None is a deletion; `at` is the server's time."""

    key: str
    revision: int
    value: bytes | None
    at: datetime
    by: By


class ConfigStore(Protocol):
    """The bucket `config` with its history. Raises Unavailable; `put` raises Conflict when `last` is not the last."""

    async def latest(self, key: str) -> Written | None:
        """The last write, which may be a deletion."""

    async def history(self, key: str) -> list[Written]:
        """The writes that are kept, oldest first."""

    async def present(self, prefix: str) -> dict[str, Written]:
        """The last write of every key that begins with `prefix` and is not deleted."""

    async def put(self, key: str, value: bytes | None, by: By, last: int) -> int: ...


class ConfigRefusal(StrEnum):
    """Why a change of configuration is refused."""

    MISSING = "missing"
    EXISTS = "exists"
    VERSION = "version"
    INVALID = "invalid"
    TEMPLATE = "template"
    UNFIT = "unfit"
    IN_USE = "in_use"
    CONTESTED = "contested"


@dataclass(frozen=True, slots=True)
class WrongField:
    """One thing that is wrong with a value: where (a dotted path), what, and by a word which kind of mistake it is."""

    path: str
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was not made; `field` is a dotted path. `wrong` has each field where the value does not parse."""

    why: ConfigRefusal
    message: str
    field: str | None = None
    wrong: tuple[WrongField, ...] = ()

    @property
    def fields(self) -> tuple[WrongField, ...]:
        """Every field that the refusal is about."""
        own = (WrongField(self.field, self.message, self.why.value),) if self.field else ()
        return self.wrong or own


@dataclass(frozen=True, slots=True)
class ConfigEntry(Generic[C]):
    """A value as it stands, and remarks that did not hinder it."""

    body: C
    revision: int
    warnings: tuple[str, ...] = ()


Changing = Callable[[C], C | Refused]


class Configuration:
    """Reads and changes single keys. Raises Unavailable while NATS is away; every other refusal is a value."""

    def __init__(self, store: ConfigStore) -> None:
        self.store = store

    async def read(self, kind: type[C], key: str) -> ConfigEntry[C] | Refused:
        found = await self.store.latest(key)
        if found is None or found.value is None:
            return Refused(ConfigRefusal.MISSING, f"there is no {key}")
        body = parsed(kind, found.value)
        return body if isinstance(body, Refused) else ConfigEntry(body, found.revision)

    async def create(self, key: str, body: C, by: By) -> ConfigEntry[C] | Refused:
        """Store what is not there yet, as version 1, or above the last version of what was deleted."""
        found = await self.store.latest(key)
        if found is not None and found.value is not None:
            return Refused(ConfigRefusal.EXISTS, f"{key} is there already: change it, or take another id")
        made = versioned(body, await self.last_version(key) + 1 if found else 1)
        try:
            return ConfigEntry(made, await self.put(key, made, by, found.revision if found else 0))
        except Conflict:
            return Refused(ConfigRefusal.EXISTS, f"{key} was made by somebody else at this moment")

    async def change(
        self, kind: type[C], key: str, change: Changing[C], by: By, *, version: int | None = None
    ) -> ConfigEntry[C] | Refused:
        """Apply `change` to what stands there now; repeated when somebody else writes meanwhile.

        With `version` only that one is changed. What comes out equal is not written: a repetition changes nothing.
        """
        for _ in range(ATTEMPTS):
            found = await self.read(kind, key)
            if isinstance(found, Refused):
                return found
            now = getattr(found.body, "version", None)
            if version is not None and now != version:
                said = f"{key} is at version {now}, not {version}: look at it and decide again"
                return Refused(ConfigRefusal.VERSION, said, "version")
            made = change(found.body)
            if isinstance(made, Refused) or made == found.body:
                return made if isinstance(made, Refused) else found
            made = versioned(made, (now or 0) + 1)
            try:
                return ConfigEntry(made, await self.put(key, made, by, found.revision))
            except Conflict:
                continue
        return Refused(ConfigRefusal.CONTESTED, f"{key} changes too often at this moment: try again")

    async def add(self, body: C, by: By) -> ConfigEntry[C] | Refused:
        """Store what is not there yet, under its own key."""
        return await self.create(kind_of(body).key(body), body, by)

    async def replace(self, body: C, by: By) -> ConfigEntry[C] | Refused:
        """Let it stand where another one of its key stands now, as a version more."""

        def over(there: C) -> C:
            return versioned(body, getattr(there, "version", 1))

        return await self.change(type(body), kind_of(body).key(body), over, by)

    async def remove(self, key: str, by: By, last: int) -> bool:
        """Delete the key if `last` is still its last revision."""
        try:
            await self.store.put(key, None, by, last)
        except Conflict:
            return False
        return True

    async def put(self, key: str, body: C, by: By, last: int) -> int:
        """Raises Conflict when `last` is not the last revision, ValueError for a body over the limit of a message."""
        data = body.model_dump_json(exclude_none=True).encode()
        if len(data) > MAX_MESSAGE_BYTES:
            raise ValueError(f"{key}: {len(data)} bytes are over the limit of {MAX_MESSAGE_BYTES}")
        revision = await self.store.put(key, data, by, last)
        hit("configuration.after_put")
        return revision

    async def last_version(self, key: str) -> int:
        """The highest that was ever stored under the key, 0 for none."""
        known = [_version_of(one.value) for one in await self.store.history(key) if one.value is not None]
        return max(known, default=0)


def parsed(kind: type[C], data: bytes) -> C | Refused:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        return refused(error)


def given(kind: type[C], fields: Mapping[str, object]) -> C | Refused:
    """The value that somebody wrote. Unknown fields are refused at every depth: they are typing mistakes."""
    try:
        return strictly(kind, fields)
    except ValidationError as error:
        return refused(error)


def updated(body: C, fields: Mapping[str, object]) -> C | Refused:
    """The value with other fields, as strictly as `given`, checked as a whole."""
    kind = type(body)
    try:
        refuse(kind, unknown_fields(kind, fields))
        return kind.model_validate(body.model_dump() | dict(fields))
    except ValidationError as error:
        return refused(error)


def no_such(what: str, name: str) -> Refused:
    """What is asked for under a text that is no name cannot be there."""
    return Refused(ConfigRefusal.MISSING, f"there is no {what} {name[:40]!r}: a name is of letters, digits, - and _")


def reserved(name: str) -> str | None:
    """Why nothing new may be called so. What was called so before stays readable and goes on."""
    return f"{name} is a word of ours: take another name" if name.lower() in RESERVED else None


def refused(error: ValidationError) -> Refused:
    _, field, message = explain(error)
    each = error.errors(include_url=False, include_input=False, include_context=False)
    wrong = tuple(WrongField(".".join(map(str, one["loc"])), one["msg"], one["type"]) for one in each)
    return Refused(ConfigRefusal.INVALID, message, field, wrong)


def versioned(body: C, version: int) -> C:
    """Trap: model_copy checks nothing, which is right for a number that is at least 1 by construction."""
    return body.model_copy(update={"version": version}) if "version" in type(body).model_fields else body


def _version_of(value: bytes) -> int:
    try:
        return int(json.loads(value)["version"])
    except (ValueError, KeyError, TypeError):
        return 0
