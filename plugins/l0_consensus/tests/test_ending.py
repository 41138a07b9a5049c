"""When a vote ends: as soon as it is decided, and with nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_consensus import Consensus, ConsensusResult, NoConsensus, consensus
from l0_testing import FakeProvider, LeakCheck, Mishap
from l0_testing.virtual import run

NEVER = object()
"""In place of a delay: the task does not end."""


class Said:
    """Tasks that say something after a number of seconds, and whether they were cancelled."""

    def __init__(self, *answers: tuple[Any, Any]) -> None:
        self.answers = answers
        self.cancelled: set[int] = set()

    def tasks(self) -> list[Callable[[], Any]]:
        def task(index: int) -> Callable[[], Any]:
            value, delay = self.answers[index]

            async def answer() -> Any:
                try:
                    await (asyncio.Event().wait() if delay is NEVER else asyncio.sleep(delay))
                except asyncio.CancelledError:
                    self.cancelled.add(index)
                    raise
                if isinstance(value, Exception):
                    raise value
                return value

            return answer

        return [task(index) for index in range(len(self.answers))]

    def vote(self, **options: Any) -> tuple[ConsensusResult[Any], float]:
        """The result, and the virtual second in which it was there."""

        async def main() -> tuple[ConsensusResult[Any], float]:
            async with LeakCheck():
                result = await consensus(self.tasks(), **options)
                return result, round(asyncio.get_running_loop().time(), 1)

        return run(main())


BROKEN = ConnectionError("broken")


def test_a_majority_ends_as_soon_as_no_other_can_win() -> None:
    said = Said(("a", 1), ("b", 2), ("a", 3), ("a", 4), ("b", NEVER))
    result, when = said.vote()
    assert (result.consensus, result.confidence, result.status, when) == ("a", 0.75, "success", 4)
    assert said.cancelled == {4}


def test_a_majority_does_not_end_while_another_can_win() -> None:
    said = Said(("a", 1), ("a", 2), ("b", 3), ("b", 4), ("b", 5))
    result, when = said.vote(minimum_agreement=0.4)
    assert (result.consensus, when) == ("b", 5)


def test_a_majority_does_not_end_before_it_has_its_minimum() -> None:
    said = Said(("a", 1), ("a", 2), ("a", 3), ("b", 4), (BROKEN, 5))
    result, when = said.vote(minimum_agreement=0.8)
    assert (result.status, result.confidence, when) == ("partial", 0.6, 5)


def test_who_agrees_in_other_words_may_yet_agree_with_another() -> None:
    words = "one long line of so many words that one more is little"
    said = Said((words, 1), (f"{words} y", 2), (f"{words} y z", 3))
    result, when = said.vote(threshold=0.85)
    assert (result.consensus, result.confidence, when) == (f"{words} y", 1.0, 3)


def test_what_is_left_out_is_neither_success_nor_failure() -> None:
    result, _ = Said(("a", 1), ("a", 1), ("b", NEVER)).vote()
    left = result.outputs[2]
    assert (left.success, left.cancelled, left.error) == (False, True, "cancelled: the vote was decided")
    assert (left.text, left.value, left.duration_ms, left.similarities) == ("", None, 0.0, None)
    assert result.confidence == 1.0
    analysis = result.analysis
    assert (analysis.total_outputs, analysis.successful_outputs, analysis.failed_outputs) == (3, 2, 0)
    assert Consensus.similarity_matrix(result.outputs) == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert Consensus.quick(result.outputs, 1.0)


def test_what_has_come_by_then_counts() -> None:
    result, _ = Said(("a", 1), ("a", 1), ("b", 1)).vote()
    assert result.confidence == 2 / 3


def test_weights_end_a_vote_early() -> None:
    result, when = Said(("a", 1), ("b", 2), ("b", NEVER)).vote(weights=[3, 1, 1])
    assert (result.consensus, result.confidence, when) == ("a", 1.0, 1)


def test_weighted_ends_when_nobody_can_overtake() -> None:
    result, when = Said(("a", 1), ("b", 2), ("a", 3), ("a", 4), ("b", NEVER)).vote(strategy="weighted")
    assert (result.consensus, when) == ("a", 4)
    result, when = Said(("a", 1), ("b", 2), ("b", 3)).vote(strategy="weighted")
    assert (result.consensus, when) == ("b", 3)


def test_a_majority_that_cannot_be_any_more_fails_early() -> None:
    said = Said((BROKEN, 1), (BROKEN, 2), ("a", NEVER), ("a", NEVER))
    with pytest.raises(NoConsensus, match="All tasks failed"):
        said.vote(resolve_conflicts="fail")
    assert said.cancelled == {2, 3}
    said = Said((BROKEN, 1), (BROKEN, 2), ("a", 3), ("a", 4))
    assert said.vote()[1] == 4


def test_unanimous_fails_as_soon_as_two_disagree() -> None:
    said = Said(("a", 1), ("a", 2), ("b", 3), ("a", NEVER))
    with pytest.raises(NoConsensus, match="outputs differ") as raised:
        said.vote(strategy="unanimous", resolve_conflicts="fail")
    assert said.cancelled == {3}
    assert [output.cancelled for output in raised.value.outputs] == [False, False, False, True]


def test_unanimous_fails_as_soon_as_one_fails() -> None:
    said = Said(("a", 1), (BROKEN, 2), ("a", NEVER))
    with pytest.raises(NoConsensus, match="failed"):
        said.vote(strategy="unanimous", resolve_conflicts="fail")


def test_unanimous_hears_all_if_a_conflict_is_to_be_resolved() -> None:
    result, when = Said(("a", 1), ("b", 2), ("b", 3)).vote(strategy="unanimous")
    assert (result.consensus, when) == ("b", 3)


def test_best_is_the_first_of_the_heaviest_that_may_still_come() -> None:
    result, when = Said(("a", 2), ("b", 1), ("c", NEVER)).vote(strategy="best")
    assert (result.consensus, result.confidence, when) == ("b", 1.0, 1)
    result, when = Said(("a", 1), ("b", 3), ("c", NEVER)).vote(strategy="best", weights=[1, 2, 2])
    assert (result.consensus, when) == ("b", 3)
    result, when = Said(("a", 1), (BROKEN, 3), ("c", NEVER)).vote(strategy="best", weights=[1, 2, 0.5])
    assert (result.consensus, result.confidence, when) == ("a", 1 / 3, 3)


# Streams.


def provider(text: str, **options: Any) -> FakeProvider:
    return FakeProvider(text.split(" "), pace=1.0, steps=2, **options)


def task(source: FakeProvider) -> Callable[[], Any]:
    async def answer() -> l0.Stream:
        return await l0.run(source, adapter=source, retry=l0.Retry(attempts=0, max_retries=0))

    return answer


def test_streams_that_are_not_waited_for_are_closed() -> None:
    quick, slow = [provider("a"), provider("a")], provider("b b b b b b")

    async def main() -> ConsensusResult[Any]:
        async with LeakCheck():
            return await consensus([task(source) for source in (*quick, slow)])

    result = run(main())
    assert (result.consensus, result.outputs[2].cancelled) == ("a", True)
    assert (slow.opened, slow.open) == (1, 0)


def test_streams_that_fail_are_closed_and_counted() -> None:
    sources = [provider("a"), provider("a a", mishaps=[Mishap("raise", at=1)]), provider("a")]
    result = run(consensus([task(source) for source in sources]))
    assert (result.confidence, result.outputs[1].success) == (2 / 3, False)
    assert str(result.outputs[1].error).startswith("ConnectionResetError")
    assert [source.open for source in sources] == [0, 0, 0]


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 40])
@pytest.mark.parametrize("strategy", ["unanimous", "majority", "weighted", "best"])
def test_cancellation_from_outside_leaves_nothing_behind(strategy: Any, turns: int) -> None:
    sources = [provider(f"{word} b c d e f") for word in "xyz"]

    async def main() -> None:
        async with LeakCheck():
            asking = asyncio.ensure_future(consensus([task(source) for source in sources], strategy=strategy))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    run(main())
    assert [source.open for source in sources] == [0, 0, 0]


def test_a_timeout_around_it_ends_it() -> None:
    source = provider("a", mishaps=[Mishap("stall")])

    async def main() -> None:
        async with LeakCheck():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await consensus([task(source), task(provider("b"))])

    run(main())
    assert source.open == 0
