"""`perpetua dead`: what was put aside, and why."""

from cli.connection import connected
from cli.errors import CliError
from libs.runtime.letters import letters_from
from libs.runtime.replays import NumberedLetter
from libs.schemas.subjects import DEAD


async def dead_letters(url: str, limit: int | None = None) -> list[NumberedLetter]:
    """The newest `limit` dead letters, oldest first."""
    async with connected(url) as bus:
        first = 1
        if limit is not None:
            first = max(1, (await bus.js.stream_info(DEAD.name)).state.last_seq - limit + 1)
        return await letters_from(bus, first)


def pick_letter(found: list[NumberedLetter], wanted: str) -> NumberedLetter:
    """By number, by id, or by an id's beginning that is not shared."""
    by_number = [one for one in found if str(one.number) == wanted]
    by_id = [one for one in found if one.letter and one.letter.dead_letter_id == wanted]
    by_start = [one for one in found if one.letter and one.letter.dead_letter_id.startswith(wanted)]
    chosen = by_number or by_id or by_start
    if not chosen:
        raise CliError(f"no dead letter {wanted}", "`perpetua dead list` shows which there are")
    if len(chosen) > 1:
        raise CliError(f"{len(chosen)} dead letters begin with {wanted}", "write more of the id")
    return chosen[0]


def list_line(one: NumberedLetter) -> str:
    if one.letter is None:
        return f"{one.number:>6}  {one.subject}  (not a DeadLetter: {len(one.raw)} bytes)"
    error = one.letter.error
    where = f" {error.field}:" if error.field else ""
    return (
        f"{one.number:>6}  {one.letter.at:%Y-%m-%d %H:%M:%S}  {one.letter.subject}  -> {one.letter.durable}  "
        f"{error.code}:{where} {' '.join(error.message.split())[:120]}"
    )


def show_lines(one: NumberedLetter) -> list[str]:
    """The whole letter, the message as it came last."""
    if one.letter is None:
        return [f"subject: {one.subject}", one.raw.decode(errors="replace")]
    letter, error = one.letter, one.letter.error
    return [
        f"id:         {letter.dead_letter_id}",
        f"number:     {one.number}",
        f"put aside:  {letter.at.isoformat()}",
        f"subject:    {letter.subject}",
        f"stream:     {letter.stream}, sequence {letter.sequence}",
        f"consumer:   {letter.durable}, after {letter.deliveries} deliveries",
        f"error:      {error.code}" + (f", field {error.field}" if error.field else ""),
        f"            {error.message}",
        *(f"header:     {name}: {value}" for name, value in letter.headers.items()),
        f"body ({letter.body_encoding}{', cut off' if letter.body_truncated else ''}):",
        letter.body,
    ]
