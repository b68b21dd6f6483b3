"""What a pydantic error says, in the terms of a dead letter."""

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from libs.schemas.reasons import DeadLetterCode


def describe(errors: Sequence[ErrorDetails]) -> tuple[str | None, str]:
    """The first wrong field as a dotted path, and all errors in one line (at most five)."""
    field = ".".join(map(str, errors[0]["loc"])) or None if errors else None
    lines = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in errors[:5]]
    more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
    return field, "; ".join(lines) + more


def explain(error: ValidationError) -> tuple[DeadLetterCode, str | None, str]:
    """Code, field and message of a body that did not parse."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    field, message = describe(errors)
    malformed = bool(errors) and errors[0]["type"] == "json_invalid"
    return (DeadLetterCode.MALFORMED if malformed else DeadLetterCode.INVALID), field, message
