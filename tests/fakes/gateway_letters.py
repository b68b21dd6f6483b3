"""Dead letters in memory."""

from collections import Counter
from datetime import datetime

from libs.runtime.replays import LetterReplay, NumberedLetter
from libs.schemas.dead import DeadLetter


class FakeLetters:
    """Numbered from 1 on."""

    def __init__(self) -> None:
        self.aside: list[DeadLetter] = []
        self.sent: list[tuple[LetterReplay, str]] = []

    async def before(self, number: int | None, limit: int) -> tuple[list[NumberedLetter], int | None]:
        end = min(number or len(self.aside) + 1, len(self.aside) + 1)
        start = max(end - limit, 1)
        numbered = [await self.at(one) for one in reversed(range(start, end))]
        return [one for one in numbered if one], start if start > 1 else None

    async def at(self, number: int) -> NumberedLetter | None:
        if number > len(self.aside):
            return None
        letter = self.aside[number - 1]
        return NumberedLetter(number, letter, letter.subject, letter.model_dump_json().encode())

    async def replayed(self) -> dict[str, int]:
        return dict(Counter(planned.letter.dead_letter_id for planned, _ in self.sent))

    async def replay(self, planned: LetterReplay, who: str, now: datetime) -> bool:
        self.sent.append((planned, who))
        return False
