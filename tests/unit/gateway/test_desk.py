"""The page at `/`: its files and nothing else, under a strict policy; where there is none, one that says why."""

import gzip
from pathlib import Path

import pytest

from tests.fakes.gateway_ports import Gateway

BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def built(folder: Path) -> Gateway:
    page = folder / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>Perpetua</title>")
    (page / "assets" / "index-1.js").write_text("start()")
    (page / "assets" / "index-1.js.gz").write_bytes(gzip.compress(b"start()"))
    (page / "assets" / "notes.txt").write_text("not to be sent")
    (folder / "secret.js").write_text("a secret")
    return Gateway(page_dir=page)


async def test_a_browser_gets_the_page_and_a_program_the_addresses(tmp_path: Path) -> None:
    gateway = built(tmp_path)
    page = await gateway.call("GET", "/", key=None, headers=BROWSER)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    assert "<title>Perpetua</title>" in page.text
    assert (await gateway.call("GET", "/", key=None)).json()["api"] == "/api/v1"


async def test_every_file_forbids_what_is_not_ours(tmp_path: Path) -> None:
    gateway = built(tmp_path)
    for path in ("/", "/assets/index-1.js"):
        policy = (await gateway.call("GET", path, key=None, headers=BROWSER)).headers["content-security-policy"]
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy.split("; "))
        assert "unsafe" not in policy
        assert "http" not in policy


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip", "gzip"), ("identity", None)])
async def test_a_file_is_sent_compressed_where_that_is_taken(
    tmp_path: Path, accepted: str, encoding: str | None
) -> None:
    answer = await built(tmp_path).call("GET", "/assets/index-1.js", key=None, headers={"Accept-Encoding": accepted})
    assert (answer.text, answer.headers.get("content-encoding")) == ("start()", encoding)
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["notes.txt", "..%2f..%2fsecret.js", "%2e%2e/secret.js", "none.js", "index-1.js.gz"])
async def test_nothing_else_is_sent(tmp_path: Path, name: str) -> None:
    answer = await built(tmp_path).call("GET", f"/assets/{name}", key=None)
    assert answer.status_code == 404
    assert "a secret" not in answer.text


async def test_where_there_is_no_page_a_plain_one_says_why(tmp_path: Path) -> None:
    gateway = Gateway(page_dir=tmp_path / "page")
    assert "not built yet" in (await gateway.call("GET", "/", key=None, headers=BROWSER)).text
    (tmp_path / "page.why").write_text("there is no Node <20>\n")
    page = await gateway.call("GET", "/", key=None, headers=BROWSER)
    assert (page.status_code, "there is no Node &lt;20&gt;" in page.text) == (200, True)
    assert "content-security-policy" in page.headers
