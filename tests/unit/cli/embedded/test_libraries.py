"""Debian's package for a shared library, by its naming rule."""

from pathlib import Path

import pytest

from cli.embedded import libraries
from cli.embedded.errors import ServerError


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libcurl.so.4", "libcurl4"),
        ("libssl.so.3", "libssl3"),
        ("libcrypto.so.3", "libssl3"),
        ("libnghttp2.so.14", "libnghttp2-14"),
        ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
        ("libldap-2.5.so.0", "libldap-2.5-0"),
        ("liblber-2.5.so.0", "libldap-2.5-0"),
        ("libbrotlidec.so.1", "libbrotli1"),
        ("libcom_err.so.2", "libcom-err2"),
        ("libp11-kit.so.0", "libp11-kit0"),
    ],
)
def test_a_library_is_found_in_its_package(soname: str, package: str) -> None:
    assert libraries.package_names(soname) == [package, f"{package}t64"]


def test_a_program_that_has_all_it_needs_gets_no_library_path(tmp_path: Path) -> None:
    assert libraries.complete(Path("/bin/sh"), "", {}, tmp_path) == {}


def test_libraries_that_cannot_be_fetched_are_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ldd = tmp_path / "ldd"
    ldd.write_text("#!/bin/sh\necho '\tlibcurl.so.4 => not found'\n")
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError) as caught:
        libraries.complete(Path("/any/mongod"), "set MONGODB_URL", {}, tmp_path / "tools")
    assert "libcurl.so.4" in caught.value.message
    assert "apt-get install libcurl4" in caught.value.hint
    assert "set MONGODB_URL" in caught.value.hint
