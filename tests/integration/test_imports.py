"""What a start does not load."""

import os
import subprocess
import sys

from cli.run.workers import TABLE

# All workers in one process, those without Redis first: redis-py imports the SDK's metrics by itself where they are
# installed, which is no doing of ours.
IMPORTED = """
import importlib, sys
def parts(*heads):
    return [name for name in sys.modules if name.startswith(heads)]
for module in {plain}:
    importlib.import_module(module).create_app()
print(parts("opentelemetry.sdk", "opentelemetry.exporter", "libs.runtime.otel"))
for module in {redis}:
    importlib.import_module(module).create_app()
print(parts("opentelemetry.sdk.trace", "opentelemetry.exporter", "libs.runtime.otel"))
print(parts("openai", "litellm"))
"""


def test_no_worker_imports_what_its_configuration_does_not_name() -> None:
    """Neither the SDK of traces without a listener, nor LiteLLM for rules."""
    plain = [row.module for row in TABLE if "redis" not in row.databases]
    redis = [row.module for row in TABLE if "redis" in row.databases]
    script = IMPORTED.format(plain=plain, redis=redis)
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert (done.stdout.split(), done.returncode) == (["[]"] * 3, 0), done.stdout + done.stderr
