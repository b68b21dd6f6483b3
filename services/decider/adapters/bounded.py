"""Reading what a provider sends, however much it is: bounded on the wire and decoded, before anybody looks at it."""

import asyncio
import zlib
from collections.abc import AsyncIterable

import httpx

from services.decider.domain.completion import BODY_LIMIT, BodyFailure, Completion, as_body, understood

LONG_BODY = 32_768  # bytes; longer ones are read beside the event loop
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_ABOUT_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding", "content-type"})


class TooMuch(Exception):
    """A body that is not read to its end; the message says why."""


async def body_of(chunks: AsyncIterable[bytes], encoding: str, limit: int = BODY_LIMIT) -> bytes:
    """A body of at most `limit` bytes, on the wire and decoded. Raises TooMuch."""
    inflate = _decoder(encoding.strip().lower())
    wire, decoded = 0, bytearray()
    async for chunk in chunks:
        wire += len(chunk)
        if wire > limit:
            raise TooMuch(f"an answer of more than {limit:,} bytes is not read")
        decoded += _inflated(inflate, chunk, limit + 1 - len(decoded)) if inflate else chunk
        if len(decoded) > limit:
            raise TooMuch(f"an answer that unpacks to more than {limit:,} bytes is not read")
    return bytes(decoded)


def _decoder(encoding: str) -> "zlib._Decompress | None":
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(_GZIP_OR_ZLIB)
    raise TooMuch(f"an answer encoded as {encoding[:40]!r} is not read; gzip was asked for")


def _inflated(inflate: "zlib._Decompress", chunk: bytes, room: int) -> bytes:
    try:
        return inflate.decompress(chunk, room)
    except zlib.error as error:
        raise TooMuch(f"an answer that cannot be unpacked: {error}") from error


class BoundedTransport(httpx.AsyncBaseTransport):
    """Chat completions through another transport. What comes out is a small body of our own making, or the transport's
    own error: nothing foreign reaches the client behind."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "gzip"
        response = await self._inner.handle_async_request(request)
        if response.has_redirect_location:
            await response.aclose()
            return httpx.Response(response.status_code, headers=_kept(response.headers))
        said = await _said(response)
        status = response.status_code if response.status_code >= 400 else 200
        headers = _kept(response.headers) | {"content-type": "application/json"}
        return httpx.Response(status, headers=headers, content=as_body(said))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _said(response: httpx.Response) -> Completion | BodyFailure:
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous transport has no other
    try:
        body = await body_of(stream, response.headers.get("content-encoding", ""))
    except TooMuch as error:
        return BodyFailure(response.status_code if response.status_code >= 400 else 502, str(error))
    finally:
        await response.aclose()
    if len(body) <= LONG_BODY:
        return understood(response.status_code, body)
    return await asyncio.to_thread(understood, response.status_code, body)


def _kept(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _ABOUT_THE_BODY}
