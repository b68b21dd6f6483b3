"""Whether a provider takes its key: the cheapest request that proves it, never a paid completion."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import httpx

from services.decider.adapters.bounded import TooMuch, body_of
from services.decider.adapters.endpoints import Endpoint
from services.decider.domain.authentication import EXCERPT, Check, KeyVerdict, fingerprint, judge

TIMEOUT_S = 10.0  # for all of a check
BODY_LIMIT = 4_194_304  # bytes; gateways list hundreds of models with their descriptions
_REACH = "check the address and the network"
_PATHS = {"openrouter": "/key", "openai-compatible": "/models"}


class ProviderKeys:
    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints

    async def validate_authentication(self, provider: str, models: Sequence[str], now: datetime) -> Check:
        """Every failure is a Check; nothing is raised. `models` are those that the key is needed for."""
        endpoint, expected = self._endpoints.get(provider), "HTTP 200"
        if endpoint is None:
            return Check(provider, tuple(models), KeyVerdict.VALID, "no key", "in this process: no key needed", now)
        found = Check(
            provider, tuple(models), KeyVerdict.VALID, expected, "", now, fingerprint=fingerprint(endpoint.key)
        )
        if missing := _missing(endpoint):
            return _with(found, verdict=KeyVerdict.NO_KEY, actual="nothing to send", hint=missing)
        url = f"{(endpoint.base_url or '').rstrip('/')}{_PATHS[provider]}"
        begun = time.perf_counter()
        try:
            headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
            async with asyncio.timeout(TIMEOUT_S), httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=True) as client:
                status, body = await _asked(client, url, headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, TimeoutError, TooMuch) as error:
            said = f"no answer: {type(error).__name__} {error}".strip()
            return _with(found, verdict=KeyVerdict.UNREACHABLE, actual=endpoint.hide(said), url=url, hint=_REACH)
        verdict, actual = await asyncio.to_thread(judge, status, body, asks_key=endpoint.asks_key)
        return _with(
            found,
            verdict=verdict,
            actual=actual,
            url=url,
            status=status,
            excerpt=endpoint.hide(" ".join(body[: 4 * EXCERPT].split()))[:EXCERPT],
            latency_ms=round((time.perf_counter() - begun) * 1000, 1),
            hint=_hint(verdict, endpoint),
        )


async def _asked(client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and body. Raises TooMuch for a body that is longer than any list of models."""
    async with client.stream("GET", url, headers={**headers, "accept-encoding": "gzip"}) as response:
        body = await body_of(response.aiter_raw(), response.headers.get("content-encoding", ""), BODY_LIMIT)
        return response.status_code, body.decode("utf-8", "replace")


def _with(check: Check, **changes: object) -> Check:
    return replace(check, **changes)  # type: ignore[arg-type]


def _missing(endpoint: Endpoint) -> str:
    if endpoint.base_url is None:
        return "set LLM_BASE_URL to the address of your server"
    return f"set {endpoint.key_variable}" if endpoint.asks_key and not endpoint.key else ""


def _hint(verdict: KeyVerdict, endpoint: Endpoint) -> str:
    match verdict:
        case KeyVerdict.REFUSED:
            return f"check {endpoint.key_variable}"
        case KeyVerdict.NO_CREDIT:
            return "add credit at the provider, or raise the key's limit"
        case KeyVerdict.UNPROVEN:
            return "the server has no such endpoint, or is in trouble; calls may work all the same"
    return ""
