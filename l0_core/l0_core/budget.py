"""The retry budget: what keeps an outage from being amplified.

Each provider has one per event loop. A retry costs, more after a timeout; a stream that ends well pays back. While it
is exhausted nothing is retried: first attempts go through, and succeed as soon as the provider does. The figures are
those of the AWS SDKs' standard retry mode.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l0_core.attempt import Source

__all__ = ["Budget", "budget_of", "earn"]

CAPACITY = 500
RETRY_COST = 5
TIMEOUT_COST = 10
SUCCESS_GAIN = 1


class Budget:
    """How much may still be retried with one provider."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = CAPACITY

    def take(self, cost: int) -> bool:
        """Pay for a retry; False if it cannot be afforded."""
        if self.left < cost:
            return False
        self.left -= cost
        return True

    def give_back(self, gain: int) -> None:
        """A stream ended well."""
        self.left = min(CAPACITY, self.left + gain)


_budgets: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Budget]] = weakref.WeakKeyDictionary()


def earn(source: Source, loop: asyncio.AbstractEventLoop) -> None:
    """A stream that needed no retry has ended well. Only where somebody has spent is there anything to fill up."""
    budgets = _budgets.get(loop)
    if budgets and (budget := budgets.get(source.provider)) is not None:
        budget.give_back(SUCCESS_GAIN)


def budget_of(provider: Hashable, loop: asyncio.AbstractEventLoop) -> Budget:
    """The budget that all streams to one provider share."""
    budgets = _budgets.setdefault(loop, {})
    budget = budgets.get(provider)
    if budget is None:
        if len(budgets) >= 1000:
            # Factories that are made anew for each stream would gather here. A full budget is as good as none.
            for idle in [key for key, known in budgets.items() if known.left == CAPACITY]:
                del budgets[idle]
        budget = budgets[provider] = Budget()
    return budget
