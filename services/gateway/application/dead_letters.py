"""Dead letters are listed, shown and published again. They are of all accounts, and so must the key be."""

import asyncio
from http import HTTPStatus

from pydantic import TypeAdapter

from libs.records.keys import ApiKey
from libs.runtime.envelope import MSG_ID
from libs.runtime.replays import LetterReplay, NumberedLetter, plan
from libs.schemas.matching import matches
from libs.schemas.rights import BY_NAME
from services.gateway.application.claiming import Use, once
from services.gateway.domain.dead_letters import LetterEntry, LetterTaken, LetterWhole
from services.gateway.domain.problems import Refusal, RequestRefused, not_found
from services.gateway.domain.records import Page
from services.gateway.ports import Deps

MAX_RAW = 100_000
_TAKEN: TypeAdapter[LetterTaken] = TypeAdapter(LetterTaken)


async def letters(deps: Deps, key: ApiKey, limit: int, cursor: str | None) -> Page[LetterEntry]:
    """Newest first."""
    _of_all(key)
    before = deps.letters.before(int(cursor) if cursor else None, limit)
    (page, older), times = await asyncio.gather(before, deps.letters.replayed())
    items = [letter_entry(one, _times(one, times)) for one in page]
    return Page(items=items, next=str(older) if older else None)


async def letter(deps: Deps, key: ApiKey, number: int) -> LetterWhole:
    _of_all(key)
    numbered, times = await asyncio.gather(_numbered(deps, number), deps.letters.replayed())
    return letter_whole(numbered, _times(numbered, times))


async def replayed(deps: Deps, key: ApiKey, number: int, idempotency_key: str | None) -> LetterTaken:
    """Published again for the consumer that refused it alone, once for each Idempotency-Key."""
    _of_all(key)
    numbered = await _numbered(deps, number)

    async def work() -> LetterTaken:
        planned = replay_of(numbered, _times(numbered, await deps.letters.replayed()))
        if isinstance(planned, str):
            raise RequestRefused(Refusal(HTTPStatus.CONFLICT, "not-replayable", planned))
        repeated = await deps.letters.replay(planned, key.signature, deps.clock.wall())
        return LetterTaken(
            number=number,
            dead_letter_id=planned.letter.dead_letter_id,
            replayed_as=planned.headers[MSG_ID],
            repeated=repeated,
        )

    return await once(deps, Use(key, idempotency_key, f"replay:{number}"), _TAKEN, work)


async def _numbered(deps: Deps, number: int) -> NumberedLetter:
    numbered = await deps.letters.at(number)
    if numbered is None:
        raise not_found(f"dead letter {number}")
    return numbered


def _times(numbered: NumberedLetter, times: dict[str, int]) -> int:
    return times.get(numbered.letter.dead_letter_id, 0) if numbered.letter else 0


def _of_all(key: ApiKey) -> None:
    if key.accounts is not None:
        detail = "this API key is for certain accounts; dead letters are of all"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-all-accounts", detail))


def replay_of(numbered: NumberedLetter, before: int) -> LetterReplay | str:
    """The next replay, or why there is none here: records of what was decided and traded are written by those who
    decide and trade, and never by the process that the world reaches."""
    planned = plan(numbered, before)
    if isinstance(planned, str) or any(matches(one, planned.subject) for one in BY_NAME["gateway"].publishes):
        return planned
    return f"a gateway may not publish {planned.subject}: `perpetua dead replay {numbered.number}` does it"


def letter_entry(numbered: NumberedLetter, replayed: int) -> LetterEntry:
    planned = replay_of(numbered, replayed)
    letter = numbered.letter
    return LetterEntry(
        number=numbered.number,
        dead_letter_id=letter.dead_letter_id if letter else None,
        at=letter.at if letter else None,
        subject=letter.subject if letter else numbered.subject,
        stream=letter.stream if letter else None,
        durable=letter.durable if letter else None,
        deliveries=letter.deliveries if letter else None,
        code=letter.error.code.value if letter else None,
        field=letter.error.field if letter else None,
        message=letter.error.message if letter else None,
        replayed=replayed,
        not_replayable=planned if isinstance(planned, str) else None,
    )


def letter_whole(numbered: NumberedLetter, replayed: int) -> LetterWhole:
    letter, raw = numbered.letter, numbered.raw
    return LetterWhole(
        **letter_entry(numbered, replayed).model_dump(),
        headers=letter.headers if letter else {},
        body=letter.body if letter else raw[:MAX_RAW].decode(errors="replace"),
        body_encoding=letter.body_encoding if letter else "utf-8",
        body_truncated=letter.body_truncated if letter else len(raw) > MAX_RAW,
    )
