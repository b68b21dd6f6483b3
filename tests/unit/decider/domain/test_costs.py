"""What a call came to: a provider's 0 is not believed, a refusal is free for sure, and absurd figures are unknown."""

from typing import Any

import pytest

from libs.schemas.decision import TokenUsage
from services.decider.domain.bookkeeping import Books, booked
from services.decider.domain.catalogue import CatalogueEntry, ModelPrice
from services.decider.domain.costs import cost_of
from services.decider.domain.replies import Outcome, Reply

PLAIN = CatalogueEntry(id="openrouter/a/b", provider="openrouter", context_tokens=8_000)
PRICED = PLAIN.model_copy(update={"price": ModelPrice(input=2, output=10)})
FREE = PLAIN.model_copy(update={"price": ModelPrice(input=0, output=0)})
COUNTS = {"prompt_tokens": 2_000, "completion_tokens": 300}
LISTED = (2_000 * 2 + 300 * 10) / 1e6  # of COUNTS by the price of PRICED


def details(upstream: Any) -> dict[str, Any]:
    return {"cost_details": {"upstream_inference_cost": upstream}}


# what the provider's usage says (C10 is of shared/cases: one's own key at OpenRouter), the model, dollars, who says so
BILLS: list[tuple[str, dict[str, Any], CatalogueEntry, tuple[float | None, str]]] = [
    ("C10: one's own key, told upstream", {"cost": 0, "is_byok": True, **details(0.0417)}, PLAIN, (0.0417, "provider")),
    ("one's own key with a fee", {"cost": 0.002, "is_byok": True, **details(0.05)}, PLAIN, (0.052, "provider")),
    ("one's own key, nothing told", {"cost": 0, "is_byok": True}, PRICED, (LISTED, "catalogue")),
    ("one's own key with a fee alone", {"cost": 0.002, "is_byok": True}, PRICED, (LISTED + 0.002, "catalogue")),
    ("one's own key, no price anywhere", {"cost": 0, "is_byok": True}, PLAIN, (None, "unknown")),
    ("0 with upstream and no flag (dd-trace-py #19324)", {"cost": 0, **details(0.03)}, PRICED, (0.03, "provider")),
    ("0 beside paid tokens (Helicone #5243)", {"cost": 0}, PRICED, (LISTED, "catalogue")),
    ("0 beside tokens of an unknown price", {"cost": 0.0}, PLAIN, (None, "unknown")),
    ("0 of a model that is free here", {"cost": 0}, FREE, (0.0, "catalogue")),
    ("a free model that is charged all the same", {"cost": 0.01}, FREE, (0.01, "provider")),
    ("upstream told of a call that is paid at the router", {"cost": 0.04, **details(0.04)}, PRICED, (0.04, "provider")),
    (
        "upstream in two parts",
        {"is_byok": True, "cost_details": {"upstream_inference_prompt_cost": 0.01,
                                           "upstream_inference_completions_cost": 0.02}},
        PLAIN, (0.03, "provider"),
    ),
    ("upstream that is absurd", {"cost": 0, "is_byok": True, **details(-3)}, PRICED, (LISTED, "catalogue")),
    ("a cost as text", {"cost": "0.0125"}, PRICED, (0.0125, "provider")),
    ("a cost below nothing", {"cost": -0.5}, PRICED, (LISTED, "catalogue")),
    ("a cost of a fortune", {"cost": 3e9}, PRICED, (LISTED, "catalogue")),
    ("a cost that is no number", {"cost": float("nan")}, PLAIN, (None, "unknown")),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "entry", "expected"), [b[1:] for b in BILLS], ids=[b[0] for b in BILLS])
def test_money_is_never_believed_to_be_nothing(
    usage: dict[str, Any], entry: CatalogueEntry, expected: tuple[float | None, str]
) -> None:
    dollars, source = cost_of(entry, reply(booked(COUNTS | usage, answered=True)))
    assert (dollars if dollars is None else pytest.approx(dollars), source) == expected


def reply(books: Books) -> Reply:
    return Reply(
        model=PLAIN.id, outcome=Outcome.ANSWERED, text="x", usage=books.usage, reported_cost=books.cost,
        upstream_cost=books.upstream, byok=books.byok, notes=books.notes,
    )  # fmt: skip


USED = TokenUsage(prompt=2_000, completion=300)
USAGES: list[tuple[str, Any, TokenUsage | None, str]] = [
    ("nothing", None, None, ""),
    ("zeros", {"prompt_tokens": 0, "completion_tokens": 0}, None, ""),
    ("counts", COUNTS, USED, ""),
    ("other names", {"input_tokens": 2_000, "output_tokens": 300}, USED, ""),
    ("counts as text", {"prompt_tokens": "2000", "completion_tokens": "300"}, USED, ""),
    ("counts with a point", {"prompt_tokens": 2_000.0, "completion_tokens": 300.0}, USED, ""),
    ("DeepSeek's cache", {**COUNTS, "prompt_cache_hit_tokens": 640}, USED.model_copy(update={"cached": 640}), ""),
    ("more than any model reads", {**COUNTS, "prompt_tokens": 7e14}, None, "prompt_tokens of 700000000000000.0"),
    ("less than nothing", {**COUNTS, "completion_tokens": -8}, None, "completion_tokens of -8 is absurd"),
    ("no number", {**COUNTS, "prompt_tokens": float("nan")}, None, "prompt_tokens of nan is absurd"),
    ("infinity", {**COUNTS, "prompt_tokens": float("inf")}, None, "prompt_tokens of inf is absurd"),
    ("words", {**COUNTS, "prompt_tokens": "plenty"}, None, "prompt_tokens of plenty is absurd"),
    ("true", {**COUNTS, "prompt_tokens": True}, None, "prompt_tokens of True is absurd"),
    ("a list", {**COUNTS, "prompt_tokens": [[1]]}, None, "prompt_tokens of list is absurd"),
    ("a third of a token", {**COUNTS, "completion_tokens": 0.3}, None, "completion_tokens of 0.3 is absurd"),
    ("an answer of no tokens", {"prompt_tokens": 2_000, "completion_tokens": 0}, None, "incomplete, so unknown"),
    ("an answer to nothing", {"completion_tokens": 300}, None, "incomplete, so unknown"),
    ("absurd details alone", {**COUNTS, "prompt_tokens_details": {"cached_tokens": -1}}, USED, "cached_tokens of -1"),
    ("a text", "free", None, "usage is no object (free)"),
    ("a number of many digits", {**COUNTS, "prompt_tokens": 10**400}, None, "prompt_tokens of 1000"),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "tokens", "note"), [u[1:] for u in USAGES], ids=[u[0] for u in USAGES])
def test_absurd_figures_are_unknown_and_told(usage: Any, tokens: TokenUsage | None, note: str) -> None:
    books = booked(usage, answered=True)
    assert books.usage == tokens
    assert any(note in line for line in books.notes) if note else books.notes == ()


TURNED_DOWN = [
    (Outcome.AUTH, 401), (Outcome.CREDIT, 402), (Outcome.AUTH, 403), (Outcome.REFUSED, 403), (Outcome.CREDIT, 429),
    (Outcome.RATE_LIMITED, 429), (Outcome.POLICY, 404), (Outcome.NOT_FOUND, 404), (Outcome.REFUSED, 400),
    (Outcome.AUTH, None),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "status"), TURNED_DOWN)
@pytest.mark.parametrize("entry", [PLAIN, PRICED])
def test_a_call_that_was_turned_down_cost_nothing_and_says_so(
    outcome: Outcome, status: int | None, entry: CatalogueEntry
) -> None:
    assert cost_of(entry, Reply(model="m", outcome=outcome, status=status)) == (0.0, "refused")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.TIMEOUT, 408), (Outcome.TIMEOUT, None), (Outcome.UNAVAILABLE, 500), (Outcome.UNAVAILABLE, 502),
     (Outcome.REFUSED, None), (Outcome.EMPTY, None)],
)  # fmt: skip
def test_what_may_have_been_worked_on_is_unknown_and_not_free(outcome: Outcome, status: int | None) -> None:
    assert cost_of(PRICED, Reply(model="m", outcome=outcome, status=status)) == (None, "unknown")
