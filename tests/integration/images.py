"""Images built without a container engine: buildah in a chroot, over a Debian that debootstrap made.

`python -m tests.integration.images` makes that base, into `.tools/images`; `make test` does not: it takes minutes.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.forms import LONG
from tests.wanted import want
from tools.deploy import facts
from tools.paths import ROOT

CACHE = ROOT / ".tools" / "images"
PROGRAMS = ("buildah", "debootstrap", "unshare")
BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
CERTIFICATES = Path("/etc/ssl/certs")
STEPS_S = 1800


def want_builder() -> None:
    """In the short form also a base that is there, and a storage in which a step costs what it adds."""
    why = lacking() or ("" if LONG or Builder(Path()).is_quick() else "python -m tests.integration.images was not run")
    want("images", not why, why)


def lacking() -> str:
    """What of this machine is missing for a build."""
    if os.geteuid() != 0 or not all(shutil.which(program) for program in PROGRAMS):
        return "needs root, and the Debian packages buildah and debootstrap"
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]  # seen by this process alone
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        return "nothing can be mounted here"
    return ""


@cache
def driver() -> str:
    """Of the storage: `vfs` copies everything at each step, but needs nothing of the machine."""
    asked = ["buildah", *_storage("overlay"), "images"]
    return "overlay" if subprocess.run(asked, capture_output=True, check=False).returncode == 0 else "vfs"


def _storage(kind: str) -> list[str]:
    return ["--root", str(CACHE / "root"), "--runroot", str(CACHE / "run"), "--storage-driver", kind]


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own. `conf` is what pip reads during a build and what no image may hold."""

    conf: Path

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self.argv(), *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=STEPS_S
        )
        assert not check or done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    def argv(self) -> list[str]:
        return ["buildah", *_storage(driver())]

    def is_quick(self) -> bool:
        return driver() == "overlay" and self.has_base()

    def has_base(self) -> bool:
        return bool(self.run("images", "--quiet", _base(), check=False))

    def base(self) -> None:
        """Import the base that the Dockerfile names, unless it is there."""
        if self.has_base():
            return
        CACHE.mkdir(parents=True, exist_ok=True)
        tree = CACHE / "debian-12"
        shutil.rmtree(tree, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(tree), _mirror()]
        subprocess.run(command, check=True, capture_output=True, timeout=STEPS_S)
        container = self.run("from", "scratch")
        self.run("add", "--quiet", container, str(tree), "/")
        self.run("commit", "--quiet", "--rm", container, _base())
        shutil.rmtree(tree)

    def build(self, service: str) -> str:
        """The name of the image. Steps are not kept: to store each takes longer than to repeat them.
        Trap: without --format docker a health check is left out."""
        image = f"localhost/{facts.image_of(service)}"
        options = [
            "--isolation=chroot",
            "--pull-never",
            "--layers=false",
            "--format=docker",
            "--ulimit=nofile=1024:1024",
        ]
        mounts = [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--secret=id=pip,src={self.conf}"]
        if (npm := Path.home() / ".npmrc").is_file():
            mounts.append(f"--secret=id=npm,src={npm}")
        self.run("bud", *options, *mounts, f"--build-arg=SERVICE={service}", f"--tag={image}", ".")
        return image

    def remove(self, image: str) -> None:
        self.run("rm", "--all", check=False)
        self.run("rmi", "--force", image, check=False)

    def inside(self, container: str, *command: str) -> subprocess.CompletedProcess[str]:
        argv = [*self.argv(), "run", "--isolation=chroot", container, "--", *command]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=STEPS_S)

    def worker(self, container: str, environment: dict[str, str], secrets: Path) -> Sequence[str]:
        """What starts the worker of an image, on the network of this machine."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        seen = f"--volume={secrets}:{facts.SECRET_FOLDER}:ro"
        return [*self.argv(), "run", "--isolation=chroot", seen, *variables, container, "--", "/app/start"]


def pip_conf(folder: Path, mark: str) -> Path:
    """What pip is configured with here, and a mark that can be looked for."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    lines = [f"# {mark}", "[global]", f"cert = {CERTIFICATES / 'ca-certificates.crt'}"]
    conf = folder / "pip.conf"
    conf.write_text("\n".join([*lines, *([f"index-url = {index}"] if index else [])]) + "\n")
    return conf


def _base() -> str:
    named = BASE.search((ROOT / "Dockerfile").read_text())
    assert named is not None
    return named[1]


def _mirror() -> str:
    """Where this machine has its own packages from."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    found = re.search(r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(\S+/debian/?)\b", text, re.MULTILINE)
    assert found is not None, "no mirror of Debian in /etc/apt"
    return found[1]


if __name__ == "__main__":
    if why := lacking():
        sys.exit(f"images: {why}")
    builder = Builder(Path())
    builder.base()
    sys.exit(None if builder.is_quick() else f"images: each step would be copied in the storage {driver()}")
