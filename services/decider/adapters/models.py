"""The way to all models: rules at once, language models through LiteLLM, which is loaded when the first needs it."""

import asyncio
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from services.decider.adapters.builtin import CHARS_PER_TOKEN, completion
from services.decider.adapters.endpoints import Endpoint
from services.decider.domain.answering import reply_of
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Reply

if TYPE_CHECKING:
    from services.decider.adapters.litellm import LiteLLM

_MODULE = "services.decider.adapters.litellm"


class ModelsOnDemand:
    """A decider that asks rules alone never spends the seconds of processor time that LiteLLM takes to load."""

    def __init__(self, endpoints: Mapping[str, Endpoint], wall: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._wall = wall
        self._loading = asyncio.Lock()
        self._litellm: LiteLLM | None = None

    async def start(self) -> None:
        """Load LiteLLM, once and beside the event loop."""
        async with self._loading:
            if self._litellm is None:
                module = await asyncio.to_thread(importlib.import_module, _MODULE)
                litellm: LiteLLM = module.LiteLLM(self._endpoints, self._wall)
                await litellm.start()
                self._litellm = litellm

    async def stop(self) -> None:
        if self._litellm is not None:
            await self._litellm.stop()

    async def prepare(self, entry: CatalogueEntry) -> None:
        if not entry.is_rule and self._litellm is None:
            await self.start()

    def count(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> int:
        """A rule's tokens are an estimate: none exist there."""
        if entry.is_rule:
            return sum(len(message["content"]) for message in messages) // CHARS_PER_TOKEN
        return self._loaded().count(entry, messages)

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        if entry.is_rule:
            return self._of_rule(entry, messages)
        await self.prepare(entry)
        return await self._loaded().call(entry, messages, timeout_s)

    def _loaded(self) -> "LiteLLM":
        if self._litellm is None:
            raise RuntimeError("a language model is asked before `prepare`")
        return self._litellm

    def _of_rule(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> Reply:
        begun, called_at = time.perf_counter(), self._wall()
        reply = reply_of(entry.id, completion(entry.id, messages))
        took = round((time.perf_counter() - begun) * 1000, 3)
        return reply.model_copy(update={"latency_ms": took, "called_at": called_at})
