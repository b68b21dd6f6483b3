"""What an assistant is told is data between marks, and it cannot ask for another path than its tools have."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError

from cli.ask.reaching import gateway_url, key_for
from cli.assistant.gateway import MOST_CHARS, NOTICE, GatewayApi, bearer, marked
from cli.assistant.server import acting_tools, looking_tools, make_server, with_key
from cli.errors import CliError
from cli.project import ROOT

OPEN, CLOSE = f"{NOTICE}\n<perpetua-data>\n", "\n</perpetua-data>"
API = GatewayApi("http://127.0.0.1:1", "key")


@given(
    st.recursive(
        st.text() | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nothing_in_an_answer_closes_its_marks(value: Any) -> None:
    text = marked(json.dumps(value))
    data = text.removeprefix(OPEN).removesuffix(CLOSE)
    assert json.loads(data) == value
    assert data.isascii() and "<" not in data and ">" not in data and "\n" not in data


def test_an_answer_that_is_no_json_is_data_too() -> None:
    assert marked("<p>gone</p>") == f'{OPEN}"\\u003cp\\u003egone\\u003c/p\\u003e"{CLOSE}'
    assert marked("") == f"{OPEN}null{CLOSE}"


def test_an_answer_that_nobody_can_read_is_refused() -> None:
    with pytest.raises(ResourceError, match="ask for less"):
        marked(json.dumps("x" * MOST_CHARS))


@pytest.mark.parametrize("part", ["", "..", ".", "a/b", "a?b", "a#b", "a b", "a%2fb", "ä", "x" * 161, "a\n"])
async def test_a_part_of_a_path_is_a_name(part: str) -> None:
    with pytest.raises(ResourceError, match="not a name"):
        await API.get(Context(), "accounts", part, "state")


async def test_a_gateway_that_is_not_there_has_done_nothing() -> None:
    with pytest.raises(ResourceError, match="nothing was done"):
        await API.post(Context(), "control", body={}, again=None)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer pk-1", "pk-1"),
        ("bearer  pk-1 ", "pk-1"),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic pk-1", None),
        ("Bearer pk-1 x", None),
        ("Bearer pk-\n1", None),
        ("Bearer schlüssel", None),
    ],
)
def test_a_key_is_borne_by_its_header(header: str, token: str | None) -> None:
    assert bearer(header) == token


async def test_who_brings_no_key_is_answered_before_anything_is_read() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("it was asked")

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await with_key(never)({"type": "http", "headers": [(b"authorization", b"Basic x")]}, never, send)
    assert (sent[0]["status"], sent[0]["headers"][0]) == (401, (b"www-authenticate", b"Bearer"))


async def test_tools_that_act_are_there_only_where_it_is_allowed() -> None:
    looking = [tool.name for tool in await make_server(API, allow_control=False).list_tools()]
    every = [tool.name for tool in await make_server(API, allow_control=True).list_tools()]
    assert looking == [tool.__name__ for tool in looking_tools(API)]
    assert every == looking + [tool.__name__ for tool in acting_tools(API)]


async def test_every_tool_says_what_it_does_and_what_it_takes() -> None:
    for tool in await make_server(API, allow_control=True).list_tools():
        assert tool.description and "\n" not in tool.description
        assert tool.annotations is not None and tool.annotations.read_only_hint is not None
        assert tool.annotations.destructive_hint is (None if tool.annotations.read_only_hint else True)


def test_a_gateway_and_its_key_are_named_or_told_to_be_missing(tmp_path: Path) -> None:
    assert gateway_url("https://example.test", tmp_path) == "https://example.test"
    for wrong in ("example.test", "ftp://example.test", "http://a:b@example.test"):
        with pytest.raises(CliError, match="no address"):
            gateway_url(wrong, tmp_path)
    with pytest.raises(CliError, match="nothing runs here"):
        gateway_url(None, tmp_path)
    file = tmp_path / "key"
    for content in ("", "schlüssel", "two\nlines"):
        file.write_text(content)
        with pytest.raises(CliError, match="holds no key"):
            key_for(file, tmp_path)
    file.write_text("pk-1\n")
    assert key_for(file, tmp_path) == "pk-1"
    with pytest.raises(CliError, match="no key of a run"):
        key_for(None, tmp_path)


def test_the_page_names_every_tool() -> None:
    page = (ROOT / "docs" / "assistants.md").read_text()
    tools = {tool.__name__ for tool in (*looking_tools(API), *acting_tools(API))}
    assert {name for name in tools if f"`{name}`" not in page} == set()
