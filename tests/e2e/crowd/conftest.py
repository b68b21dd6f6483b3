"""One run with two copies of what is on the way to the model, for what many do at once."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from libs.schemas.account import Account
from libs.schemas.names import key_of
from libs.schemas.subjects import KV_CONFIG, account_key
from tests.chaos.pipeline import until
from tests.e2e.running import Running, running
from tests.fakes.model_server import ModelServer, model_server

MODEL = "openrouter/openai/gpt-5"
ASKED = "asked"
REPLICAS = "context=2,decider=2"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as made:
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def run(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """With an account that asks a paid model, and only when a client asks for it: its own triggers are paused."""
    env = {"OPENROUTER_API_BASE": server.url, "OPENROUTER_API_KEY": "sk-or-test-0001"}
    async with running(tmp_path_factory.mktemp("crowd") / "state", replicas=REPLICAS, more=env) as made:
        await made.pipeline.progress(2)
        entry = await made.pipeline.bus.kv_get(KV_CONFIG.name, account_key(key_of("aggressive")))
        assert entry is not None
        changes = {"account_id": ASKED, "status": "paused", "model": MODEL}
        account = Account.model_validate_json(entry.value).model_copy(update=changes)
        await made.pipeline.bus.kv_put(KV_CONFIG.name, account_key(key_of(ASKED)), account)
        await until(lambda: ASKED in {row.account for row in made.pipeline.run.board.accounts}, "the account is known")
        yield made
