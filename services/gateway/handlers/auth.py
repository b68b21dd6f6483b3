"""The caller's key as a dependency of routes. Who calls, the edge has found out before a byte of the body was read."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from libs.records.keys import ApiKey, Scope
from services.gateway.application.access import with_scope

_BEARER = HTTPBearer(auto_error=False, description="an API key of this installation")


@dataclass(frozen=True, slots=True)
class KeyWith:
    """The dependency; the description of the API says which `scope` a route needs."""

    scope: Scope

    async def __call__(
        self, request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> ApiKey:
        return with_scope(request.state.key, self.scope)


def key_with(scope: Scope) -> KeyWith:
    """A dependency that gives the caller's key, if it has this scope."""
    return KeyWith(scope)
