"""Models tried by the deciders of a run, each with its own keys, before they are given the say."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cli.ask.configuring import ConfigurationDesk
from cli.ask.deciders import Silence, ToldByDecider, ask_all
from cli.errors import CliError
from libs.schemas.models import ModelsTrial

LOOK_AGAIN_S = 0.2
CALL_S = 45.0  # for a model's check and its small call, which end by themselves before


async def tried(
    opened: ConfigurationDesk, state_dir: Path, chain: Sequence[str], who: str, *, calls: bool
) -> list[ToldByDecider]:
    """Every decider that answers, with what its trial found. Raises CliError where one does not end it in time."""
    wish = ModelsTrial(chain=tuple(chain), calls=calls, asked_at=datetime.now(UTC), by=who)
    if await opened.models.try_out(wish) is not None:
        raise CliError("somebody else tries models at this moment", "try again")
    return await _ended(state_dir, wish)


async def _ended(state_dir: Path, wish: ModelsTrial) -> list[ToldByDecider]:
    try:
        async with asyncio.timeout(CALL_S * len(wish.chain)):
            while True:
                deciders = await ask_all(state_dir)
                if not isinstance(deciders, Silence) and all(_has_ended(each, wish) for each in deciders):
                    return deciders
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError as error:
        raise CliError("the deciders did not end their trial", "`perpetua status` says how they are") from error


def _has_ended(decider: ToldByDecider, wish: ModelsTrial) -> bool:
    return decider.trial is not None and decider.trial["asked_at"] == wish.asked_at.isoformat()


def refusals(deciders: Sequence[ToldByDecider]) -> list[str]:
    """Why models cannot decide, each once; with the decider's name where they do not agree."""
    said = {each.instance: tuple((each.trial or {})["refusals"]) for each in deciders}
    if len(set(said.values())) == 1:
        return list(next(iter(said.values())))
    return [f"{instance}: {line}" for instance, lines in said.items() for line in lines]
