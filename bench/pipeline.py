"""Context built → order placed over all seven workers, and what each worker weighs.

A whole demo runs on a synthetic market for 40 s; afterwards its streams are read again. Both ends of the interval are
the server's own times of storing, so no clock of ours takes part; the model's time (the built-in rule through LiteLLM)
is taken off. Beside it: four bare durable hops with nats-py alone, on the same machine in the same run.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy, StreamConfig

from cli.embedded import Servers

SECONDS = 40
HOPS = 4
BARE_RUNS = 300
MEMORY_GOALS = {"decider": 260.0, "executor": 200.0, "feed": 200.0}
MEMORY_GOAL = 120.0


async def _messages(js: JetStreamContext, stream: str, subject: str) -> list[tuple[int, dict[str, Any]]]:
    """Server time in ns and body of everything stored under a subject."""
    sub = await js.pull_subscribe(subject, stream=stream, config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL))
    found: list[tuple[int, dict[str, Any]]] = []
    while True:
        try:
            batch = await sub.fetch(200, timeout=1)
        except nats.errors.TimeoutError:
            return found
        for msg in batch:
            found.append((int(msg.reply.split(".")[-2]), json.loads(msg.data)))
            await msg.ack()


async def _latencies(url: str) -> list[float]:
    """Milliseconds from the context's storing to its first order's, less the model's own time."""
    nc = await nats.connect(url)
    js = nc.jetstream()
    built = {body["context_id"]: at for at, body in await _messages(js, "CONTEXTS", "context.built.*")}
    proposed = {b["decision_id"]: b for _, b in await _messages(js, "DECISIONS", "decision.proposed.*")}
    first: dict[str, int] = {}
    for at, body in await _messages(js, "ORDERS", "order.placed.*"):
        if body["intent"]["leg"] in ("entry", "exit"):
            first[body["decision_id"]] = min(at, first.get(body["decision_id"], at))
    await nc.close()
    found = []
    for decision, at in first.items():
        proposal = proposed.get(decision)
        if proposal and proposal["context_id"] in built:
            model_ms = proposal.get("timing", {}).get("model") or 0.0
            found.append((at - built[proposal["context_id"]]) / 1e6 - model_ms)
    return found


async def _bare_hops(url: str) -> list[float]:
    """Milliseconds for four durable hops, each a pull of one message, a confirmed publish and an ack."""
    nc = await nats.connect(url)
    js = nc.jetstream()
    await js.add_stream(StreamConfig(name="BENCH", subjects=["bench.*"]))
    arrived: dict[int, asyncio.Future[float]] = {}

    async def hop(n: int) -> None:
        sub = await js.pull_subscribe(f"bench.{n}", durable=f"hop{n}", stream="BENCH")
        while True:
            try:
                (msg,) = await sub.fetch(1, timeout=5)
            except nats.errors.TimeoutError:
                continue
            if n == HOPS:
                arrived[int(msg.data)].set_result(time.perf_counter())
            else:
                await js.publish(f"bench.{n + 1}", msg.data, headers={"Nats-Msg-Id": f"{n}:{msg.data.decode()}"})
            await msg.ack()

    tasks = [asyncio.create_task(hop(n)) for n in range(1, HOPS + 1)]
    found = []
    for i in range(BARE_RUNS):
        arrived[i] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await js.publish("bench.1", str(i).encode())
        found.append((await arrived[i] - began) * 1e3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await nc.close()
    return found


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        state, out = Path(folder, "state"), Path(folder, "out.json")
        command = [sys.executable, "-m", "cli.main", "demo", "--for", str(SECONDS), "--no-ui", "--json", str(out)]
        subprocess.run([*command, "--state-dir", str(state)], check=True, stdout=subprocess.DEVNULL)
        summary = json.loads(out.read_text())
        with Servers(state, use_urls=False) as servers:
            url = servers.start()["nats"].url
            ours = asyncio.run(_latencies(url))
            bare = asyncio.run(_bare_hops(url))
    rows = [
        {
            "name": f"engine_p{percent}",
            "value": _percentile(ours, percent),
            "unit": "ms",
            "goal": goal,
            "met": _percentile(ours, percent) <= goal,
            "reference": f"{HOPS} bare durable hops: {_percentile(bare, percent):.2f} ms; {len(ours)} decisions",
        }
        for percent, goal in ((50, 10.0), (99, 30.0))
    ]
    for name, worker in summary["workers"].items():
        goal = MEMORY_GOALS.get(name, MEMORY_GOAL)
        rows.append(
            {
                "name": f"rss_{name}",
                "value": worker["rss_mib"],
                "unit": "MiB",
                "goal": goal,
                "met": worker["rss_mib"] <= goal,
                "reference": f"{worker['replicas']} replica, after {SECONDS} s of the demo",
            }
        )
    return rows
