import asyncio
import os
import signal

import pytest

from cli.run.signals import Interrupts


def test_the_first_signal_interrupts_and_later_ones_do_not() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.received == signal.SIGTERM


def test_a_signal_cancels_what_runs_and_its_cleanup_is_not_disturbed() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
            done.append("cleaned up")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.run(work())
    assert done == ["cleaned up"]


def test_work_may_take_a_signal_as_its_ordinary_end() -> None:
    async def work() -> str:
        try:
            os.kill(os.getpid(), signal.SIGTERM)  # SIGHUP is ignored below nohup
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return "summary"

    with Interrupts() as interrupts:
        assert interrupts.run(work()) == "summary"


def test_nothing_interrupts_the_end_and_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        interrupts.close()
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
