"""A public class name stands once."""

import pytest

from tools.names import repeated


def test_a_name_of_two_classes_is_refused_where_it_stands_again() -> None:
    texts = {"libs/a.py": "class Page:\n    pass\n", "services/b.py": "import c\n\nclass Page:\n    pass\n"}
    assert repeated(texts) == ["services/b.py:3: the class Page is at libs/a.py:1 too: say what this one is"]


def test_a_class_within_another_one_or_a_function_counts_too() -> None:
    texts = {"a.py": "class Page:\n    class Row: ...\n", "b.py": "def f():\n    class Row: ...\n"}
    assert repeated(texts) == ["b.py:2: the class Row is at a.py:2 too: say what this one is"]


@pytest.mark.parametrize("name", ["Deps", "Settings", "_Page"])
def test_what_each_service_has_of_its_own_may_be_called_alike(name: str) -> None:
    assert repeated({"a.py": f"class {name}: ...\n", "b.py": f"class {name}: ...\n"}) == []
