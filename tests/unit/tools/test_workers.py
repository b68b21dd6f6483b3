"""What is said of all workers is what their table says."""

from typing import Any

from cli.run.workers import TABLE
from tools.workers import architecture, check_workers, contracts


def _contracts() -> list[dict[str, Any]]:
    packages = [row.package for row in TABLE]
    return [
        {"id": "service-layers", "containers": packages},
        {"id": "services-independent", "modules": packages},
        {"id": "pure", "source_modules": ["libs.schemas", *(f"{package}.domain" for package in packages)]},
        {"id": "application", "source_modules": [f"{package}.application" for package in packages]},
    ]


def test_a_contract_that_forgets_a_worker_is_refused() -> None:
    listed = _contracts()
    listed[0]["containers"] = listed[0]["containers"][1:]
    listed[2]["source_modules"] = listed[2]["source_modules"][:-1]
    lines = [line for line in contracts(listed) if "application" not in line]
    assert lines == [
        "pyproject.toml: the contract service-layers does not name the workers of cli/run/workers.py, in order",
        "pyproject.toml: the contract pure does not name the domain of every worker, in order",
    ]


def _rows() -> list[str]:
    return [
        f"| `{row.name}` | {', '.join(row.databases) or '-'} | {', '.join(row.outside) or '-'} | x |" for row in TABLE
    ]


def test_the_table_of_the_architecture_names_every_worker() -> None:
    assert list(architecture("\n".join(_rows()))) == []
    assert list(architecture("\n".join(_rows()[:-1]))) == [
        "ARCHITECTURE.md: the table of workers does not name those of cli/run/workers.py, in order"
    ]


def test_a_row_of_the_architecture_that_says_something_else_is_refused() -> None:
    rows = [row.replace("| mongodb |", "| redis |") if "`ledger`" in row else row for row in _rows()]
    assert list(architecture("\n".join(rows))) == [
        "ARCHITECTURE.md: the row of ledger says something else than cli/run/workers.py"
    ]


def test_this_code_base_says_of_its_workers_what_their_table_says() -> None:
    assert check_workers() == []
