"""The caller's key as a dependency of routes."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.records.keys import ApiKey, Scope
from services.gateway.application.access import allowed
from services.gateway.ports import Deps

_BEARER = HTTPBearer(auto_error=False, description="an API key of this installation")


def key_with(deps: Deps, scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    """A dependency that gives the caller's key, if it has this scope."""

    async def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> ApiKey:
        return await allowed(deps, credentials.credentials if credentials else None, scope)

    return check
