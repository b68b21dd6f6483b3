"""Images built without a container engine: buildah in a chroot, over a Debian that debootstrap made."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.wanted import want
from tools.deploy import facts
from tools.paths import ROOT

CACHE = ROOT / ".tools" / "images"  # a base is kept: it takes a minute
BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
CERTIFICATES = Path("/etc/ssl/certs")
STEPS_S = 1800


def want_builder() -> None:
    there = os.geteuid() == 0 and all(shutil.which(program) for program in ("buildah", "debootstrap"))
    want("images", there, "needs root, and the Debian packages buildah and debootstrap")


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
        storage = ["--root", str(CACHE / "root"), "--runroot", str(CACHE / "run"), "--storage-driver", "vfs"]
        return ["buildah", *storage]

    def base(self) -> None:
        """Import the base that the Dockerfile names, unless it is there."""
        found = BASE.search((ROOT / "Dockerfile").read_text())
        assert found is not None
        if self.run("images", "--quiet", found[1], check=False):
            return
        tree = CACHE / "debian-12"
        shutil.rmtree(tree, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(tree), _mirror()]
        subprocess.run(command, check=True, capture_output=True, timeout=STEPS_S)
        container = self.run("from", "scratch")
        self.run("add", "--quiet", container, str(tree), "/")
        self.run("commit", "--quiet", "--rm", container, found[1])
        shutil.rmtree(tree)

    def build(self, service: str) -> str:
        """The name of the image. Trap: without --format docker a health check is left out."""
        image = f"localhost/{facts.image_of(service)}"
        options = [
            "--isolation=chroot",
            "--pull-never",
            "--layers=false",
            "--format=docker",
            "--ulimit=nofile=1024:1024",
        ]
        mounts = [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--secret=id=pip,src={self.conf}"]
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


def _mirror() -> str:
    """Where this machine has its own packages from."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    found = re.search(r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(\S+/debian/?)\b", text, re.MULTILINE)
    assert found is not None, "no mirror of Debian in /etc/apt"
    return found[1]
