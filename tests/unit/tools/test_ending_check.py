"""The check that tasks are cancelled in one place."""

from pathlib import Path

import pytest

from tools.endings import SAID, check_endings, raw_endings

RAW = {
    "cancelled and waited for": "task.cancel()\nawait asyncio.wait([task])",
    "cancelled and gathered": "for task in tasks:\n    task.cancel()\nawait asyncio.gather(*tasks)",
    "cancelled and left": "self._task.cancel()",
    "with a word": "task.cancel('over')",
    "with a word by name": "task.cancel(msg='over')",
    "handed on": "loop.call_soon_threadsafe(task.cancel)",
    "mapped": "list(map(asyncio.Task.cancel, tasks))",
    "a group": "async def run():\n    async with asyncio.TaskGroup() as group:\n        pass",
    "a group by name": "async def run():\n    async with TaskGroup() as group:\n        pass",
}
OTHERS = {
    "an order": "await venue.cancel(symbol, client_order_id)",
    "an order with a reason": "await venue.cancel(symbol, client_order_id, reason)",
    "an order by name": "await venue.cancel(symbol, client_order_id=name)",
    "the one way": "await end([task])",
    "a definition": "async def cancel(self):\n    return None",
    "told by the task": "task.cancelled()",
}


@pytest.mark.parametrize("case", RAW)
def test_a_task_that_is_ended_by_hand_is_found(case: str) -> None:
    text = RAW[case]
    (line,) = [n for n, words in enumerate(text.splitlines(), 1) if "cancel" in words or "TaskGroup" in words]
    assert list(raw_endings(text)) == [line]


@pytest.mark.parametrize("case", OTHERS)
def test_what_ends_no_task_is_left_alone(case: str) -> None:
    assert list(raw_endings(OTHERS[case])) == []


def test_a_file_is_named_with_its_line_unless_it_is_on_the_list(tmp_path: Path) -> None:
    for name in ("libs/one.py", "tests/deep/two.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("import asyncio\n\ntask.cancel()\n")
    assert list(check_endings(tmp_path, {"libs/one.py": "a timer"})) == [f"tests/deep/two.py:3: {SAID}"]


def test_an_exception_that_is_not_needed_any_more_is_named(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli/one.py").write_text("task.done()\n")
    found = list(check_endings(tmp_path, {"cli/one.py": "a timer", "cli/gone.py": "a timer"}))
    assert [line.partition(" ")[0] for line in found] == ["cli/gone.py", "cli/one.py"]
