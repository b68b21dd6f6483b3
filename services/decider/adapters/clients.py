"""The HTTP clients that LiteLLM is given: its own transport, behind a bound on what may come back."""

import importlib
import ssl
from collections.abc import Mapping
from typing import Any

import httpx
from openai import AsyncOpenAI

from services.decider.adapters.bounded import BoundedTransport
from services.decider.adapters.endpoints import Endpoint


class Clients:
    """One client a provider, made once LiteLLM is loaded. Each closes with `close`."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        handlers = importlib.import_module("litellm.llms.custom_httpx.http_handler")
        verify = handlers.get_ssl_configuration()
        inner = handlers.AsyncHTTPHandler.create_async_transport(
            ssl_context=verify if isinstance(verify, ssl.SSLContext) else None,
            ssl_verify=verify if isinstance(verify, bool) else None,
        )
        proxies = handlers.AsyncHTTPHandler.create_httpx_proxy_mounts(inner, verify=verify, cert=None) or {}
        self._http = httpx.AsyncClient(
            transport=BoundedTransport(inner),
            mounts={pattern: mount and BoundedTransport(mount) for pattern, mount in proxies.items()},
            follow_redirects=True,
        )
        own = endpoints.get("openai-compatible")
        self._of: dict[str, Any] = {"openrouter": self._wrapped(handlers)}
        if own is not None and own.base_url is not None:
            self._of["openai-compatible"] = AsyncOpenAI(
                api_key=own.key or "none", base_url=own.base_url, http_client=self._http, max_retries=0
            )

    def warm(self) -> None:
        """Import what the first call would import, 0.5 s of CPU, while no decision waits."""
        if (own := self._of.get("openai-compatible")) is not None:
            _ = own.chat.completions.with_raw_response

    def of(self, provider: str) -> Any:
        """LiteLLM takes OpenAI's client for servers like its own, and a handler of its own for all others."""
        return self._of.get(provider)

    async def close(self) -> None:
        await self._http.aclose()

    def _wrapped(self, handlers: Any) -> Any:
        handler = handlers.AsyncHTTPHandler()
        handler.client = self._http
        return handler
