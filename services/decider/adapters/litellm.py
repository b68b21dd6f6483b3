"""The one way to a language model: `litellm.acompletion`, with its own retries off and every failure as a value."""

import asyncio
import importlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from openai import OpenAIError

from libs.schemas.decision import TokenUsage
from services.decider.adapters import errors
from services.decider.adapters.clients import Clients
from services.decider.adapters.endpoints import Endpoint
from services.decider.domain.answering import reply_of
from services.decider.domain.authentication import fingerprint
from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.completion import FIELD, Completion
from services.decider.domain.refusals import RefusalMeaning
from services.decider.domain.replies import Outcome, Reply, retry_after
from services.decider.domain.schema import response_format

PREFIX = "openai-compatible/"
EXCERPT = 500
_PASSED = ["response_format", "reasoning_effort", "seed", "temperature", "max_tokens", "max_completion_tokens"]


class LiteLLM:
    """`start` imports LiteLLM (seconds of CPU), beside the event loop."""

    def __init__(self, endpoints: Mapping[str, Endpoint], wall: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._wall = wall
        self._litellm: Any = None
        self._clients: Clients | None = None

    async def start(self) -> None:
        self._litellm = await asyncio.to_thread(_load)
        self._clients = Clients(self._endpoints)
        await asyncio.to_thread(self._clients.warm)

    async def stop(self) -> None:
        if self._clients is not None:
            await self._clients.close()
        if self._litellm is not None:
            await self._litellm.close_litellm_async_clients()
            self._litellm.in_memory_llm_clients_cache.flush_cache()  # else the closed ones would be used again

    def count(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]]) -> int:
        """By one tokenizer for all models, without network."""
        return int(self._litellm.token_counter(model=entry.id, messages=[dict(message) for message in messages]))

    async def call(self, entry: CatalogueEntry, messages: Sequence[Mapping[str, str]], timeout_s: float) -> Reply:
        endpoint = self._endpoints.get(entry.provider)
        if endpoint and (missing := _missing(entry, endpoint)):
            return Reply(model=entry.id, outcome=Outcome.AUTH, error=missing)
        begun, called_at = time.perf_counter(), self._wall()
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._litellm.acompletion(
                    messages=[dict(message) for message in messages],
                    timeout=timeout_s + 1,  # ours is the one that ends the call
                    num_retries=0,
                    max_retries=0,
                    **_parameters(entry, endpoint),
                    **self._client(entry),
                )
        except TimeoutError:
            reply = Reply(model=entry.id, outcome=Outcome.TIMEOUT, error=f"{entry.id}: no answer in {timeout_s:.1f} s")
        except OpenAIError as error:
            reply = self._failed(entry, endpoint, error)
        else:
            reply = _answered(entry, response)
        took = round((time.perf_counter() - begun) * 1000, 3)
        return reply.model_copy(update={"latency_ms": took, "called_at": called_at})

    def _client(self, entry: CatalogueEntry) -> dict[str, Any]:
        return {} if self._clients is None else {"client": self._clients.of(entry.provider)}

    def _failed(self, entry: CatalogueEntry, endpoint: Endpoint | None, error: OpenAIError) -> Reply:
        said = errors.words_of(error)
        for each in self._endpoints.values():
            said = each.hide(said)
        status, headers = errors.status_of(error), errors.headers_of(error)
        means = errors.meaning(error, status, said)
        return Reply(
            model=entry.id,
            outcome=means.outcome,
            without=means.without,
            status=status,
            retry_after_s=retry_after(headers, self._wall()) if status in (429, 503) else None,
            error=f"{entry.id}: {_hint(means, status, endpoint)}{said[:EXCERPT]}",
        )


def _load() -> Any:
    """LiteLLM without its network access at import, its telemetry and its printing."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it reads a .env file of the working folder
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    # Trap: else counting for a Llama asks the network for its tokenizer, 24 s with the event loop standing still.
    litellm.disable_hf_tokenizer_download = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "openai", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    litellm.token_counter(model="", messages=[])  # it reads its table now, not while a decision waits
    return litellm


def _missing(entry: CatalogueEntry, endpoint: Endpoint) -> str | None:
    if endpoint.base_url is None:
        return f"{entry.id} needs the address of your server: set LLM_BASE_URL, or choose another LLM_MODEL"
    if endpoint.asks_key and not endpoint.key:
        return (
            f"{entry.id} needs a key: set {endpoint.key_variable}, or choose LLM_MODEL=builtin/trend, which needs none"
        )
    return None


def _parameters(entry: CatalogueEntry, endpoint: Endpoint | None) -> dict[str, Any]:
    """What a call of this model has beside its messages. Nothing of it is shared between calls."""
    if endpoint is None:
        return {"model": entry.id, **entry.params}
    model = "openai/" + entry.id.removeprefix(PREFIX) if entry.id.startswith(PREFIX) else entry.id
    found: dict[str, Any] = {"model": model, "api_base": endpoint.base_url, "api_key": endpoint.key or "none"}
    found |= {**entry.params, "allowed_openai_params": _PASSED}
    if entry.structured == "json_schema":
        found["response_format"] = response_format()
    elif entry.structured == "json_object":
        found["response_format"] = {"type": "json_object"}
    if entry.provider == "openrouter":
        found["extra_headers"] = {"X-Title": "Perpetua", "HTTP-Referer": "https://localhost/perpetua"}
        if "response_format" in found:  # only hosts that do not ignore it
            found["extra_body"] = {"provider": {"require_parameters": True}}
    return found


def _hint(means: RefusalMeaning, status: object, endpoint: Endpoint | None) -> str:
    if means.outcome is Outcome.AUTH and endpoint is not None:
        last = fingerprint(endpoint.key)
        ending = f" ending {last}" if last else ""
        return f"HTTP {status}, expected 200: the key{ending} was refused, check {endpoint.key_variable}: "
    if means.outcome is Outcome.CREDIT:
        return f"HTTP {status}, expected 200: the provider's credit is used up: "
    return means.hint


def _answered(entry: CatalogueEntry, response: Any) -> Reply:
    """What a provider sends has been read at the door (bounded.py) and travels in a field of its own. Without one it
    is one that LiteLLM has made up from an error."""
    choice = response.choices[0]
    told = (getattr(choice.message, "provider_specific_fields", None) or {}).get(FIELD)
    return reply_of(entry.id, Completion.model_validate(told) if told else _own(response, choice))


def _own(response: Any, choice: Any) -> Completion:
    usage: Any = getattr(response, "usage", None)
    counted = usage is not None and (usage.prompt_tokens or usage.completion_tokens)
    return Completion(
        text=choice.message.content,
        finish=choice.finish_reason or "stop",
        model=response.model,
        usage=TokenUsage(prompt=usage.prompt_tokens, completion=usage.completion_tokens) if counted else None,
    )
