"""`perpetua dead replay`: publish a message that was put aside again, for the worker that refused it alone."""

import getpass
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cli.ask.dead import dead_letters, pick_letter
from cli.connection import connected
from cli.errors import CliError
from libs.runtime.bus import Bus
from libs.runtime.clock import WallClock
from libs.runtime.envelope import MSG_ID
from libs.runtime.errors import Unavailable
from libs.runtime.letters import publish_replay, times_replayed
from libs.runtime.replays import NumberedLetter, plan


@dataclass(frozen=True, slots=True)
class ReplayOutcome:
    """What became of one letter: published under an id, or not, and why."""

    letter_id: str
    replayed_as: str | None
    why: str = ""

    def line(self) -> str:
        if self.replayed_as is None:
            return f"{self.letter_id}: not replayed: {self.why}"
        return f"{self.letter_id}: replayed as {self.replayed_as}" + (f" ({self.why})" if self.why else "")


async def replay(url: str, wanted: Iterable[str], *, every: bool, stream: str | None) -> list[ReplayOutcome]:
    """Replay the named letters, or `every` one (of a stream) that never was. CliError for a name that is not there."""
    letters = [one for one in await dead_letters(url) if stream is None or (one.letter and one.letter.stream == stream)]
    async with connected(url) as bus:
        times = await times_replayed(bus)
        chosen = [pick_letter(letters, name) for name in wanted]
        if every:
            chosen = [one for one in letters if one.letter is None or not times[one.letter.dead_letter_id]]
        return [await _one(bus, one, times) for one in chosen]


async def _one(bus: Bus, numbered: NumberedLetter, times: Counter[str]) -> ReplayOutcome:
    name = numbered.letter.dead_letter_id if numbered.letter else f"number {numbered.number}"
    planned = plan(numbered, times[name])
    if isinstance(planned, str):
        return ReplayOutcome(name, None, planned)
    try:
        repeated = await publish_replay(bus, planned, getpass.getuser(), WallClock().wall())
    except Unavailable as error:
        raise CliError(f"{name}: {error}", "try again: a message that was stored is not stored twice") from error
    times[name] += 1
    return ReplayOutcome(name, planned.headers[MSG_ID], "somebody else had just done so" if repeated else "")
