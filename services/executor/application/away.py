"""Kinds of failure that the executor goes on after, each with what it asks for."""

from pydantic import ValidationError

from libs.runtime.errors import Conflict, Unavailable
from libs.runtime.mongo import MONGO_AWAY
from services.executor.ports import Fenced

Kinds = tuple[type[Exception], ...]
# What is needed does not answer: the same again after a while.
AWAY: Kinds = (Unavailable, *MONGO_AWAY)
# The account or its partition is, or may be, another copy's by now: read it again, or let go.
LOST: Kinds = (Conflict, Fenced)
# Nothing was done, for one or the other reason; what is still ours is done later.
LATER: Kinds = (*AWAY, *LOST)
# Money that no field can hold: an absurd price, nothing that is better a second time.
BEYOND: Kinds = (ArithmeticError, ValidationError)
# Reasons to pass over one account for now, so that the others get their turn.
SKIPPED: Kinds = (*LATER, *BEYOND)
