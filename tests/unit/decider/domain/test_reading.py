"""What a reply is worth beside its text: prompts that a server has cut, and repairs that fit."""

import pytest

from libs.schemas.decision import TokenUsage
from services.decider.domain.catalogue import CatalogueEntry, repair_room
from services.decider.domain.prompt import Prompt
from services.decider.domain.reading import read, repair_turn, without_reasoning
from services.decider.domain.replies import Outcome, Reply

GOOD = (
    '{"decisions": [{"asset": "BTCUSDT", "action": "hold", "exit_plan": "x", "rationale": "y", "confidence": 50, '
    '"risk_level": "low"}], "portfolio_rationale": "z", "total_allocation_usd": 0, "portfolio_risk_level": "low"}'
)
ENTRY = CatalogueEntry(id="openai-compatible/x", provider="openai-compatible", context_tokens=8_000)

# tokens that the server counts, cached ones, our own count, and whether it has cut the prompt (C21 is of shared/cases)
COUNTS = [
    ("C21: Ollama's default of 4 096", 3_611, 0, 7_150, True),
    ("a context of 2 048", 2_048, 0, 5_000, True),
    ("the middle is left out (OpenRouter's transform)", 8_192, 0, 30_000, True),
    ("a tokenizer of larger words", 5_800, 0, 7_000, False),
    ("a tokenizer of smaller words", 9_800, 0, 7_000, False),
    ("cached tokens are counted apart", 1_100, 6_200, 7_000, False),
    ("cached tokens are counted within", 7_000, 6_200, 7_100, False),
    ("fewer than any context has", 900, 0, 7_000, False),
    ("nobody has counted", 3_600, 0, None, False),
]


@pytest.mark.parametrize(("seen", "cached", "counted", "cut"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS])
def test_a_prompt_that_was_cut_makes_an_answer_invalid(seen: int, cached: int, counted: int | None, cut: bool) -> None:
    usage = TokenUsage(prompt=seen, completion=400, cached=cached)
    reading = read(Reply(model="m", outcome=Outcome.ANSWERED, text=GOOD, usage=usage), ("BTCUSDT",), counted)
    assert (reading.outcome is Outcome.CUT) == cut
    assert (reading.parsed is None) == cut
    assert ("OLLAMA_CONTEXT_LENGTH" in reading.detail) == cut


def test_figures_that_fit_no_context_are_noted() -> None:
    usage = TokenUsage(prompt=900, completion=400)
    reading = read(Reply(model="m", outcome=Outcome.ANSWERED, text=GOOD, usage=usage), ("BTCUSDT",), 7_000)
    assert reading.parsed is not None
    assert reading.parsed.notes == ("the server counts 900 tokens of a prompt of about 7000",)


PROMPT = Prompt("1", "system", "user", tokens=3_000)
WRONG = Reply(model="m", outcome=Outcome.ANSWERED, text="wrong " * 2_000, reasoning="thought", thought_in="reasoning")


@pytest.mark.parametrize(
    ("room", "length", "thought"),
    [(30_000, 12_000, True), (12_500, 12_000, True), (1_000, None, False), (0, None, False)],
)
def test_a_repair_sends_only_what_fits(room: int, length: int | None, thought: bool) -> None:
    *before, answer, asked = repair_turn(PROMPT, WRONG, ("decisions: missing",), room)
    assert before == list(PROMPT.messages)
    assert "decisions: missing" in asked["content"]
    if length is None:
        assert answer["content"].endswith("…")
        assert len(answer["content"].encode()) + len(asked["content"].encode()) <= max(room, len(asked["content"])) + 3
    else:
        assert len(answer["content"]) == length
    assert ("reasoning" in answer) == thought


def test_a_repair_is_never_cut_within_a_character() -> None:
    reply = WRONG.model_copy(update={"text": "…" * 500})
    for room in range(400, 420):
        repair_turn(PROMPT, reply, ("x",), room)[2]["content"].encode()


def test_the_room_of_a_repair_leaves_room_for_an_answer() -> None:
    small = ENTRY.model_copy(update={"params": {"max_tokens": 1_000}})
    assert repair_room(small, 3_600) == 8_000 - 1_000 - 4_000
    assert repair_room(small, 9_000) == 0


def test_messages_without_reasoning_say_the_same() -> None:
    turn = repair_turn(PROMPT, WRONG, ("x",), 30_000)
    assert [message["content"] for message in without_reasoning(turn)] == [message["content"] for message in turn]
    assert all(set(message) == {"role", "content"} for message in without_reasoning(turn))
