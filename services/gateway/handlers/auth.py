"""The caller's key as a dependency of routes. Who calls, the edge has found out before a byte of the body was read."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.records.keys import ApiKey, Scope
from services.gateway.application.access import with_scope

_BEARER = HTTPBearer(auto_error=False, description="an API key of this installation")


def key_with(scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    """A dependency that gives the caller's key, if it has this scope."""

    async def check(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> ApiKey:
        return with_scope(request.state.key, scope)

    return check
