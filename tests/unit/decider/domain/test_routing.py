"""Which models are asked, and who said so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decider.domain.catalogue import Catalogue, CatalogueEntry, UnknownModel
from services.decider.domain.routing import ModelWishes, Route, entries, names, resume, route

LEVELS = ("arm", "request", "strategy", "account", "default")


@pytest.mark.parametrize("at", range(len(LEVELS)))
def test_the_first_level_that_names_models_gives_the_whole_chain(at: int) -> None:
    said = {level: f"{level}-1, {level}-2" for level in LEVELS[at:]}
    assert route(ModelWishes(**said)) == Route((f"{LEVELS[at]}-1", f"{LEVELS[at]}-2"), LEVELS[at])  # type: ignore[arg-type]


def test_a_level_of_nothing_but_commas_says_nothing() -> None:
    assert route(ModelWishes(default="d", account=" , ")) == Route(("d",), "default")


def test_names_are_trimmed_and_each_counts_once() -> None:
    assert names(" a,b , a,,c") == ("a", "b", "c")


RESUMED = [
    ("nothing was asked", ("a", "b"), [], ("a", "b")),
    ("the first was asked", ("a", "b"), ["a", "a"], ("a", "b")),
    ("the first was passed over", ("a", "b"), ["b"], ("a", "b")),
    ("another chain since", ("c",), ["a", "b"], ("a", "b")),
    ("the other way round since", ("b", "a"), ["a", "b"], ("a", "b")),
]


@pytest.mark.parametrize(("chain", "asked", "found"), [r[1:] for r in RESUMED], ids=[r[0] for r in RESUMED])
def test_a_redelivered_decision_goes_on_as_it_began(
    chain: tuple[str, ...], asked: list[str], found: tuple[str, ...]
) -> None:
    assert resume(chain, asked) == found


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True), st.lists(st.sampled_from("abcde")))
def test_what_was_asked_is_always_in_the_chain_in_its_order(chain: list[str], asked: list[str]) -> None:
    found = resume(tuple(chain), asked)
    order = [found.index(model) for model in dict.fromkeys(asked)]
    assert order == sorted(order)


def test_one_unknown_name_refuses_the_chain_by_name() -> None:
    catalogue = Catalogue({"a": CatalogueEntry(id="a", provider="builtin", context_tokens=1_000)})
    found = entries(catalogue, ("a", "gpt-99"))
    assert isinstance(found, UnknownModel)
    assert "gpt-99" in str(found)
    assert isinstance(entries(catalogue, ()), UnknownModel)
