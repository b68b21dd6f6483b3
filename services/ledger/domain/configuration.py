"""Writes of the configuration become events: who changed what, from what to what, and why."""

import json
from datetime import datetime
from typing import Any

from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.kinds import event_at, kind_at

TEXT_CHARS = 60_000


class ConfigWrite(Message):
    """A message of the bucket `config`. `value` None is a deletion."""

    key: str
    value: str | None


def decoded(subject: str, data: bytes, prefix: str) -> ConfigWrite:
    """Whatever its bytes are: an event is made of every write. A deletion has no bytes."""
    return ConfigWrite(key=subject.removeprefix(prefix), value=data.decode(errors="replace") if data else None)


def event_of(
    write: ConfigWrite, before: str | None, revision: int, who: str, why: str, at: datetime
) -> tuple[str, AuditEvent] | None:
    """The subject and the event of a write at `revision`; None for the copy of a version, which changes nothing."""
    kind, (about, subject) = kind_at(write.key), event_at(write.key)
    if kind is not None and kind.is_copy(write.key):
        return None
    verb = "deleted" if write.value is None else "created" if before is None else "changed"
    old, new = _differing(before, write.value)
    event = AuditEvent(
        event_id=f"{write.key[:70]}@{revision}",
        who=who,
        what=f"{about}.{verb}",
        subject=write.key[:100],
        before=old,
        after=new,
        why=why,
        at=at,
    )
    return subject, event


def _differing(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Two JSON objects as what differs between them; anything else as it is."""
    old, new = _object(before), _object(after)
    if old is None or new is None:
        return _cut(before), _cut(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return _cut(_text(old, names)), _cut(_text(new, names))


def _text(body: dict[str, Any], names: list[str]) -> str:
    return json.dumps({name: body[name] for name in names if name in body}, ensure_ascii=False)


def _object(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= TEXT_CHARS else text[:TEXT_CHARS] + "…"
