"""What a provider's refusal means where its status alone would say something else. A new case is a row of TABLE."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from services.decider.domain.replies import Outcome

Part = Literal["response_format", "reasoning"]
_STATUS = {
    401: Outcome.AUTH,
    402: Outcome.CREDIT,
    403: Outcome.AUTH,
    404: Outcome.NOT_FOUND,
    408: Outcome.TIMEOUT,
    429: Outcome.RATE_LIMITED,
    504: Outcome.TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class RefusalMeaning:
    """`without`: the part of the request that the server does not take in this form; the same call may do without it
    (or, for reasoning, with it). `hint` says what to do."""

    outcome: Outcome
    without: Part | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    statuses: Set[int]
    words: tuple[str, ...]  # in lower case; one of them stands in what the provider said
    means: RefusalMeaning


_NO_FORMAT = RefusalMeaning(
    Outcome.REFUSED,
    "response_format",
    "the server takes no response_format: take json_schema and json_object out of its capabilities in "
    "config/models.yaml, which saves this call: ",
)
_REASONING = RefusalMeaning(Outcome.REFUSED, "reasoning")
_PRIVACY = RefusalMeaning(
    Outcome.POLICY, hint="the settings of your account at the provider leave no host for this model: "
)
_PLACE = RefusalMeaning(Outcome.POLICY, hint="the provider does not serve the place that this server is in: ")
TABLE = (
    RefusalRow({403}, ("moderation", "flagged"), RefusalMeaning(Outcome.REFUSED)),
    RefusalRow(
        {400, 404, 415, 422},
        (
            "response_format", "response format", "json_schema", "json_object", "json mode", "structured output",
            "json_validate_failed", "requested parameters",
        ),
        _NO_FORMAT,
    ),
    RefusalRow(
        {400, 422}, ("reasoning_content", "thinking mode", "].thinking", "'reasoning'", "`reasoning`"), _REASONING
    ),
    RefusalRow({404}, ("data policy", "guardrail", "allowed providers", "providers have been ignored"), _PRIVACY),
    RefusalRow(
        {400, 403},
        ("unsupported_country", "country, region", "unsupported countries", "location is not supported"),
        _PLACE,
    ),
    RefusalRow(
        {403, 429},
        ("insufficient_quota", "exceeded your current quota", "key limit", "credit balance", "insufficient balance"),
        RefusalMeaning(Outcome.CREDIT),
    ),
    RefusalRow({400}, ("not a valid model", "model_not_found", "model not found"), RefusalMeaning(Outcome.NOT_FOUND)),
)  # fmt: skip


def refusal(status: int, said: str) -> RefusalMeaning:
    """What a failure with this status and these words means."""
    lower = said.lower()
    for row in TABLE:
        if status in row.statuses and any(word in lower for word in row.words):
            return row.means
    return RefusalMeaning(_STATUS.get(status) or (Outcome.REFUSED if 400 <= status < 500 else Outcome.UNAVAILABLE))
