"""Overlays as kustomize builds them, each once a session."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.paths import ROOT

KUBECTL = Path(sys.executable).parent / "kubectl"
OVERLAYS = ("dev", "paper", "live")
Manifest = dict[str, Any]


@cache
def built(overlay: str) -> tuple[Manifest, ...]:
    """To be read, not changed."""
    folder = ROOT / "deploy" / "k8s" / "overlays" / overlay
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True)
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))
