"""An event that is waited for no longer than was said."""

import asyncio


class Alarm(asyncio.Event):
    """Waiting costs a timer of the loop; `asyncio.wait_for` makes a task of each wait (Python 3.11)."""

    async def within(self, seconds: float) -> None:
        """Return when it is set, which it sets itself after so long."""
        timer = asyncio.get_running_loop().call_later(seconds, self.set)
        try:
            await self.wait()
        finally:
            timer.cancel()
