"""What the ledger has stored, as the messages that it was made of."""

from collections.abc import Iterable, Mapping
from typing import Any

from libs.schemas.decision import DecisionProposed

_SAME = (
    "session",
    "context_id", "request_id", "account_id", "correlation_id", "arm", "dry_run", "symbols", "strategy", "expires_at",
    "decision",
)  # fmt: skip
_HASHES = {"system_prompt_sha256": "system_prompt", "user_prompt_sha256": "user_prompt"}


def body_hashes(document: Mapping[str, Any]) -> list[str]:
    """Ids of the texts that a decision's calls refer to."""
    return sorted({call[name] for call in document.get("calls", ()) for name in _HASHES})


def proposal_of(document: Mapping[str, Any], bodies: Iterable[Mapping[str, Any]]) -> DecisionProposed:
    """The proposal as it was published. Raises KeyError while it is not stored whole, ValidationError if not ours."""
    texts = {body["_id"]: body["text"] for body in bodies}
    made = {name: document[name] for name in _SAME if name in document} | document["proposal"]
    calls = [_call(call, texts) for call in document.get("calls", ())]
    return DecisionProposed.model_validate(
        made | {"decision_id": document["_id"], "context_ref": document["context_id"], "calls": calls}
    )


def _call(call: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    rest = {key: value for key, value in call.items() if key not in _HASHES}
    return rest | {field: texts[call[name]] for name, field in _HASHES.items()}
