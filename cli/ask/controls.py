"""A control from this machine: published, then watched until it has taken effect."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from cli.ask.configuring import by
from cli.connection import connected
from cli.errors import CliError
from libs.configuration.controls import requested, still_to_do
from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.errors import Unavailable
from libs.schemas.account import Control
from libs.schemas.subjects import ALL_ACCOUNTS

PATIENCE_S = 5.0
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Told:
    """Accounts that have carried the control out, those that have not, and the wall time that it took."""

    done: tuple[str, ...]
    waiting: tuple[str, ...]
    seconds: float


async def send(url: str, scope: str, wanted: Control, why: str) -> Told:
    """Publish it, and wait some seconds for its effect. CliError while NATS is away or for an unknown account."""
    who = by(why)
    async with connected(url) as bus:
        config, states = ConfigMirror(bus), StateMirror(bus)
        try:
            await config.start()
            await states.start()
            names = tuple(config.accounts) if scope == ALL_ACCOUNTS else (scope,)
            if scope != ALL_ACCOUNTS and scope not in config.accounts:
                raise CliError(f"there is no account {scope}", "`perpetua account list` shows all")
            began = time.monotonic()
            emit = requested(f"cli-{secrets.token_hex(16)}", scope, wanted, who.who, who.why, datetime.now(UTC))
            await bus.publish(emit)
            while waiting := still_to_do(wanted, ((name, states.get(name)) for name in names)):
                if time.monotonic() - began > PATIENCE_S:
                    break
                await asyncio.sleep(LOOK_S)
            return Told(tuple(n for n in names if n not in waiting), waiting, time.monotonic() - began)
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error
        finally:
            await states.stop()
            await config.stop()
