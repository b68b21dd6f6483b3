"""Changes the account named by ACCOUNT, and dies where PERPETUA_FAILPOINT says."""

import asyncio
import os

from cli.connection import connected
from libs.configuration.accounts import Accounts
from libs.configuration.configuration import By, Configuration
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates


async def change() -> None:
    async with connected(os.environ["NATS_URL"]) as bus:
        configuration = Configuration(KvConfigStore(bus))
        accounts = Accounts(configuration, Strategies(configuration, JinjaTemplates()))
        await accounts.set_status(os.environ["ACCOUNT"], "paused", By("anna", "before the crash"))


if __name__ == "__main__":
    asyncio.run(change())
