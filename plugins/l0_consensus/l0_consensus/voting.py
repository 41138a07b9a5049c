"""`consensus()`, and everything about it under one name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from l0_consensus.agreements import (
    calculate_field_consensus,
    calculate_output_similarity,
    calculate_similarity_matrix,
    calculate_structural_similarity,
    find_agreements,
    find_disagreements,
    get_consensus_value,
    meets_minimum_agreement,
    quick_consensus,
    validate_consensus,
)
from l0_consensus.collecting import needs_structured
from l0_consensus.poll import Poll
from l0_consensus.resolving import resolve_best, resolve_majority, resolve_merge
from l0_consensus.results import (
    ConflictResolution,
    ConsensusPreset,
    ConsensusResult,
    Strategy,
    best_consensus,
    lenient_consensus,
    standard_consensus,
    strict_consensus,
)
from l0_consensus.rules import Rules, checked_weights

if TYPE_CHECKING:
    from l0_core import ObservabilityEvent

__all__ = ["Consensus", "consensus"]

Tasks = Sequence[Callable[[], Awaitable[Any] | Any]]
OnEvent = Callable[["ObservabilityEvent"], None]


async def consensus(
    tasks: Tasks,
    *,
    strategy: Strategy = "majority",
    threshold: float = 0.8,
    resolve_conflicts: ConflictResolution = "vote",
    weights: Sequence[float] | None = None,
    minimum_agreement: float = 0.6,
    schema: Any = None,
    on_event: OnEvent | None = None,
) -> ConsensusResult[Any]:
    """Run tasks side by side, and make one answer of what they return.

    A task is a function without arguments that returns, or whose coroutine returns, a text, data, a stream or a
    StructuredResult. `strategy` says what an answer is: all tasks agree ("unanimous"), outputs of a share of
    `minimum_agreement` of the weight of all do ("majority"), those that do have more weight than any others
    ("weighted"), or the one of most weight, the first of equals ("best"). Outputs agree from a similarity of
    `threshold` on; those that contradict each other have none.

    `resolve_conflicts` says what becomes of outputs that are not unanimous, or have no majority: the one that most
    weight agrees with ("vote"), one that has all in it ("merge"), the one of most weight ("best"), or an error
    ("fail"). `weights` are one for each task. `schema` is what `l0.structured` takes: texts are read, and data is
    checked, by it; an output that it does not allow has failed. `on_event` gets observability events, with nothing in
    them of what was said.

    The tasks that are left are cancelled, and over when this returns, as soon as they cannot change what the outcome
    is. They count for nothing; tasks that fail count against every answer.

    Raises RuntimeError for less than two tasks, ValueError for options that cannot be meant, ImportError if there is a
    schema and no l0-structured, and NoConsensus, a ValueError, if all tasks failed, or there is no answer and
    `resolve_conflicts` is "fail".
    """
    if not tasks:
        raise RuntimeError("No tasks provided")
    if len(tasks) < 2:
        raise RuntimeError("At least 2 tasks required for consensus")
    rules = Rules(strategy, threshold, resolve_conflicts, minimum_agreement)
    if schema is not None:
        needs_structured()
    return await Poll(tasks, rules, checked_weights(weights, len(tasks)), schema, on_event).run()


async def _by(preset: ConsensusPreset, tasks: Tasks, schema: Any, on_event: OnEvent | None) -> ConsensusResult[Any]:
    return await consensus(
        tasks,
        strategy=preset.strategy,
        threshold=preset.threshold,
        resolve_conflicts=preset.resolve_conflicts,
        minimum_agreement=preset.minimum_agreement,
        schema=schema,
        on_event=on_event,
    )


class Consensus:
    """The functions for one answer of several under one name."""

    run = staticmethod(consensus)

    @staticmethod
    async def strict(tasks: Tasks, *, schema: Any = None, on_event: OnEvent | None = None) -> ConsensusResult[Any]:
        """`consensus` by `strict_consensus`: all say the same, or it is a NoConsensus."""
        return await _by(strict_consensus, tasks, schema, on_event)

    @staticmethod
    async def standard(tasks: Tasks, *, schema: Any = None, on_event: OnEvent | None = None) -> ConsensusResult[Any]:
        """`consensus` by `standard_consensus`: a majority of 0.6, or a vote."""
        return await _by(standard_consensus, tasks, schema, on_event)

    @staticmethod
    async def lenient(tasks: Tasks, *, schema: Any = None, on_event: OnEvent | None = None) -> ConsensusResult[Any]:
        """`consensus` by `lenient_consensus`: half of them agree more or less, or all is merged."""
        return await _by(lenient_consensus, tasks, schema, on_event)

    @staticmethod
    async def best(tasks: Tasks, *, schema: Any = None, on_event: OnEvent | None = None) -> ConsensusResult[Any]:
        """`consensus` by `best_consensus`: the first that succeeds."""
        return await _by(best_consensus, tasks, schema, on_event)

    quick = staticmethod(quick_consensus)
    get_value = staticmethod(get_consensus_value)
    validate = staticmethod(validate_consensus)
    similarity_matrix = staticmethod(calculate_similarity_matrix)
    output_similarity = staticmethod(calculate_output_similarity)
    structural_similarity = staticmethod(calculate_structural_similarity)
    agreements = staticmethod(find_agreements)
    disagreements = staticmethod(find_disagreements)
    field_consensus = staticmethod(calculate_field_consensus)
    majority = staticmethod(resolve_majority)
    best_output = staticmethod(resolve_best)
    merge = staticmethod(resolve_merge)
    meets_agreement = staticmethod(meets_minimum_agreement)
