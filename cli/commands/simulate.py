"""`perpetua simulate`: all workers in one process, over simulated servers, with faults from a seed."""

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.groups import whole
from cli.errors import CliError


def simulate(
    seed: Annotated[int | None, typer.Option(help="Show this one step by step.", min=0)] = None,
    seeds: Annotated[str | None, typer.Option(help="Run these, e.g. 1..100.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep results in this file; the same command goes on.")] = None,
    shrink: Annotated[bool, typer.Option("--shrink", help="Leave out the faults that a breach does not need.")] = False,
    without: Annotated[str | None, typer.Option(help="Leave out a line that protects.", metavar="LINE")] = None,
) -> None:
    """Crashes, pauses, lost answers from a seed: the workers' own code, no server.

    The same seed does the same, whatever the machine. Afterwards the promises of `perpetua verify` are looked at; exit
    code 1 where one is broken.
    """
    whole("a simulation")
    from cli.run import simulating

    if (seed is None) == (seeds is None):
        raise CliError("say which seeds", "--seed 7 shows one, --seeds 1..100 runs many")
    off = simulating.without(without)
    if seed is not None:
        held = simulating.one(seed, off, typer.echo, shrink=shrink)
    else:
        held = simulating.many(simulating.seeds_of(seeds or ""), off, keep, typer.echo)
    if not held:
        raise typer.Exit(1)
