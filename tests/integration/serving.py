"""A gateway and a ledger that run over real servers, and programs on the bus that answer requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import nats
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from pymongo.asynchronous.database import AsyncDatabase

from libs.records.provision import provision
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.names import key_of
from services.gateway.app import create_app
from services.gateway.settings import Settings
from services.ledger.app import create_app as create_ledger
from services.ledger.handlers import STORED
from services.ledger.settings import Settings as LedgerSettings
from tests import builders
from tests.fakes.ledger_chain import Chain
from tests.integration.api_keys import admin_token
from tests.pace import PATIENCE_S

GENERATE = "/api/v1/decisions/generate"


HISTORY = "/api/v1/decisions/history"


Script = Callable[[Chain], list[tuple[str, Message]]]


@dataclass
class Running:
    """A gateway and a ledger that run, and what a test needs to talk to them."""

    api: httpx.AsyncClient
    js: JetStreamContext
    db: AsyncDatabase[dict[str, Any]]
    admin: str
    gateway: Worker

    async def answer_with(self, script: Script) -> None:
        """From now on, each request is followed on the bus by what the script says."""

        async def respond(msg: Msg) -> None:
            request = DecisionRequest.model_validate_json(msg.data)
            chain = Chain(account=request.account_id, request_id=request.request_id, start=request.requested_at)
            for subject, body in script(chain):
                headers = {"Nats-Msg-Id": f"{subject}:{body.message_id()}"}
                await self.js.publish(subject, body.model_dump_json().encode(), headers=headers)

        await self.js._nc.subscribe("decision.requested.*", cb=respond)
        await self.js._nc.flush()

    async def stored(self) -> None:
        """Returns when the ledger has stored all that is in the log."""
        async with asyncio.timeout(60):
            while await self._behind():  # noqa: ASYNC110 - the ledger's progress is only seen by looking
                await asyncio.sleep(0.02)

    async def _behind(self) -> bool:
        infos = [await self.js.consumer_info(durable.stream, durable.name) for durable in STORED]
        return any(info.num_pending or info.num_ack_pending for info in infos)


@pytest.fixture
async def running(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[Running]:
    async with started(nats_url, mongo_url, mongo_db_name) as found:
        yield found


@asynccontextmanager
async def started(nats_url: str, mongo_url: str, mongo_db_name: str, **settings: Any) -> AsyncIterator[Running]:
    mongo = client(mongo_url)
    db = mongo[mongo_db_name]
    await provision(db)
    connection = await nats.connect(nats_url)
    js = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(js)
    for name in ("alpha", "beta"):
        account = builders.account(name, strategy_id="steady", leverage=Decimal(2))
        await js.publish(f"$KV.config.{subjects.account_key(key_of(name))}", account.model_dump_json().encode())
    token = await admin_token(nats_url)
    places = {"nats_url": nats_url, "mongodb_url": mongo_url, "mongodb_db": mongo_db_name}
    ledger = create_ledger(LedgerSettings.model_validate(places))
    gateway = create_app(Settings.model_validate(places | settings))
    await ledger.start()
    await gateway.start()
    transport = httpx.ASGITransport(app=served(gateway))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, timeout=120) as api:
        yield Running(api, js, db, token, gateway)
    await gateway.stop()
    await ledger.stop()
    await connection.close()
    await mongo.close()


def served(worker: Worker) -> Any:
    """The application as the worker serves it."""
    ((app, _, _),) = worker._http
    return app


def whole(chain: Chain) -> list[tuple[str, Message]]:
    return chain.messages()[1:]
