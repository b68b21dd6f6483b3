"""Collections, their indexes, and the lists that are read by them."""

import pytest

from libs.records import collections
from libs.records.collections import INDEXES, LISTED_BY, Index
from libs.records.provision import index_model


def test_every_name_is_provisioned_and_none_twice() -> None:
    names = [value for name, value in vars(collections).items() if name.isupper() and isinstance(value, str)]
    assert sorted(name for name in names if name != collections.RANK) == sorted(INDEXES)


@pytest.mark.parametrize("collection", LISTED_BY)
def test_a_list_is_read_in_the_order_of_an_index(collection: str) -> None:
    order = (f"-{LISTED_BY[collection]}", "-_id")
    assert any(index.fields[-2:] == order for index in INDEXES[collection])


def test_an_index_is_what_mongodb_is_told() -> None:
    document = index_model(Index(("account_id", "-at"), {"unique": True})).document
    assert dict(document["key"]) == {"account_id": 1, "at": -1}
    assert document["unique"] is True
