"""Shared libraries that the bundled mongod needs and a bare Debian or Ubuntu lacks (libcurl and what it wants).

They are taken from the distribution's own packages and unpacked, without root, into the git-ignored `.tools/`, or
where the command is installed into `~/.cache/perpetua`; only mongod sees them, by LD_LIBRARY_PATH.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from cli.embedded.errors import ServerError
from cli.project import FETCHED

_MISSING = re.compile(r"^\s*(\S+\.so[.\d]*) => not found", re.MULTILINE)
_ROUNDS = 6
_TIMEOUT_S = 120.0
_IRREGULAR = {
    "libcrypto.so.3": "libssl3",
    "liblber-2.5.so.0": "libldap-2.5-0",
    "libbrotlidec.so.1": "libbrotli1",
    "libbrotlicommon.so.1": "libbrotli1",
    "libtasn1.so.6": "libtasn1-6",
    "libsasl2.so.2": "libsasl2-2",
}


def complete(program: Path, install: str, env: Mapping[str, str], tools: Path = FETCHED) -> dict[str, str]:
    """What to add to the environment of `program` so that it finds its libraries: nothing, or LD_LIBRARY_PATH.

    Fetches what is missing (some seconds, once). ServerError naming the packages to install when that fails.
    """
    wanted = missing(program, {})
    if not wanted:
        return {}
    folder = tools / "mongod-libs"
    addition = {"LD_LIBRARY_PATH": _search_path(folder)}
    if folder.is_dir() and not missing(program, addition):
        return addition
    lacking = _fetch(program, folder, env)
    if lacking:
        names = " ".join(sorted({package_names(soname)[0] for soname in wanted}))
        raise ServerError(
            f"the bundled mongod lacks {', '.join(sorted(lacking))}, which could not be fetched by apt-get download",
            f"install it (on Debian or Ubuntu, as root: apt-get install {names}), or {install}",
        )
    return {"LD_LIBRARY_PATH": _search_path(folder)}


def missing(program: Path, env: Mapping[str, str]) -> set[str]:
    """Names of the shared libraries that the loader does not find for `program`; empty also where there is no ldd."""
    try:
        told = subprocess.run(
            ["ldd", program], capture_output=True, text=True, env={**os.environ, **env}, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return set(_MISSING.findall(told.stdout))


def package_names(soname: str) -> list[str]:
    """Debian's package names for a library, most likely first, by its naming rule: libidn2.so.0 -> libidn2-0.

    Names with t64 are those since the change to 64-bit times (Debian 13, Ubuntu 24.04).
    """
    stem, _, major = soname.partition(".so.")
    stem = stem.lower().replace("_", "-")
    regular = f"{stem}-{major}" if stem[-1].isdigit() else f"{stem}{major}"
    name = _IRREGULAR.get(soname, regular)
    return [name, f"{name}t64"]


def _search_path(folder: Path) -> str:
    return ":".join(str(folder / place) for place in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))


def _fetch(program: Path, folder: Path, env: Mapping[str, str]) -> set[str]:
    """Fetch packages until nothing is missing; the libraries still missing. `folder` appears whole or not at all."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return missing(program, {})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="mongod-libs.") as scratch:
        work, apt = Path(scratch) / "libs", Apt(Path(scratch), env)
        for _ in range(_ROUNDS):
            lacking = missing(program, {"LD_LIBRARY_PATH": _search_path(work)})
            if not lacking or not any([apt.unpack(package_names(soname), work) for soname in sorted(lacking)]):
                break
        if not lacking:
            shutil.rmtree(folder, ignore_errors=True)
            work.rename(folder)
    return lacking


class Apt:
    """Downloads and unpacks packages of the distribution without root."""

    def __init__(self, scratch: Path, env: Mapping[str, str]) -> None:
        self._scratch = scratch
        self._env = {**os.environ, **env, "LC_ALL": "C"}
        self._done: set[str] = set()
        self._options: list[str] = []

    def unpack(self, names: Iterable[str], target: Path) -> bool:
        """Unpack the first of `names` that exists into `target`; True when that brought something new."""
        names = list(names)
        if self._done.intersection(names):
            return False
        package = self._download(names)
        if package is None and not self._options:
            self._own_lists()
            package = self._download(names)
        if package is None:
            return False
        self._done.update(names)
        done = self._run("dpkg", "-x", str(package), str(target))
        package.unlink()
        return done

    def _download(self, names: list[str]) -> Path | None:
        for name in names:
            if self._run("apt-get", *self._options, "-qq", "download", name):
                return next(self._scratch.glob(f"{name}_*.deb"), None)
        return None

    def _own_lists(self) -> None:
        """A fresh system has no package lists, and /var is root's: keep our own in the scratch folder."""
        state, cache = self._scratch / "apt-state", self._scratch / "apt-cache"
        for place in (state / "lists" / "partial", cache / "archives" / "partial"):
            place.mkdir(parents=True)
        self._options = [f"-oDir::State::lists={state / 'lists'}", f"-oDir::Cache={cache}"]
        self._run("apt-get", *self._options, "-qq", "update")

    def _run(self, *argv: str) -> bool:
        try:
            done = subprocess.run(
                argv, cwd=self._scratch, env=self._env, capture_output=True, timeout=_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return done.returncode == 0
