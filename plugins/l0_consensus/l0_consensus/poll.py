"""A poll: tasks side by side, and an outcome as soon as there is one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import fsum
from time import perf_counter
from typing import Any

from l0_parallel import Task, driven, outcomes

from l0_consensus.agreements import agreements_of, disagreements_of
from l0_consensus.collecting import collected, parsed
from l0_consensus.fields import field_consensus
from l0_consensus.results import CANCELLED, ConsensusAnalysis, ConsensusOutput, ConsensusResult, NoConsensus
from l0_consensus.rules import Rules, Verdict
from l0_consensus.tally import Tally
from l0_consensus.values import Form, form, in_turns, text_of
from l0_core import EventBus, ObservabilityEvent, ObservabilityEventType

__all__ = ["Poll"]

E = ObservabilityEventType


class Poll:
    """One call of `consensus()`."""

    def __init__(
        self,
        tasks: Sequence[Task],
        rules: Rules,
        weights: Sequence[float],
        schema: Any,
        on_event: Callable[[ObservabilityEvent], None] | None,
    ) -> None:
        self._tasks, self._rules, self._schema = tasks, rules, schema
        self._bus = EventBus(on_event)
        self._tally = Tally(weights, rules.threshold)
        self._outputs = [
            ConsensusOutput(index, "", None, success=False, error=CANCELLED, weight=weight)
            for index, weight in enumerate(weights)
        ]
        self._came: deque[tuple[ConsensusOutput, Form | None]] = deque()
        """What has come and is not counted yet."""
        self._errors: list[BaseException] = []
        self._reading = asyncio.Lock()
        """Outputs are read one after the other: a turn of the event loop is as long however many there are."""

    async def run(self) -> ConsensusResult[Any]:
        """Ask all, and count their answers. Raises NoConsensus."""
        began = perf_counter()
        self._bus.emit(E.CONSENSUS_START)
        verdict = Verdict(None, 0.0, "failed", "")
        try:
            await self._ask_all()
            analysis = self._analysis()
            verdict = await self._verdict()
            self._bus.emit(E.CONSENSUS_RESOLUTION, method=verdict.method, confidence=verdict.confidence)
            if verdict.problem:
                raise NoConsensus(verdict.problem, self._outputs) from self._cause()
            return self._result(verdict, analysis, began)
        finally:
            took = _milliseconds(began)
            self._bus.emit(E.CONSENSUS_END, status=verdict.status, confidence=verdict.confidence, duration_ms=took)

    async def _ask_all(self) -> None:
        asking = [partial(self._ask, index, task) for index, task in enumerate(self._tasks)]
        async with outcomes(asking) as results:
            async for _ in results:
                if await self._is_decided():
                    break

    async def _ask(self, index: int, task: Task) -> None:
        """Run a task, and put down what comes of it."""
        began, weight = perf_counter(), self._tally.weights[index]
        self._bus.emit(E.CONSENSUS_STREAM_START, stream_index=index)
        made, ended = None, {"status": "success"}
        try:
            output = await collected(index, await driven(task), self._schema, weight)
            async with self._reading:
                made = await in_turns(form(output.value))
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                self._end(index, began, {"status": "cancelled"})
                raise
            output = ConsensusOutput(index, "", None, success=False, error=_said(error), weight=weight)
            ended = {"status": "error", "error": type(error).__name__}
            self._errors.append(error)
        output.duration_ms = self._end(index, began, ended)
        self._came.append((output, made))

    def _end(self, index: int, began: float, ended: Mapping[str, str]) -> float:
        took = _milliseconds(began)
        self._bus.emit(E.CONSENSUS_STREAM_END, stream_index=index, duration_ms=took, **ended)
        return took

    async def _is_decided(self) -> bool:
        """Count all that has come, and look whether the rest can be left out."""
        while self._came:
            output, made = self._came.popleft()
            await in_turns(self._tally.add(output.index, output, made))
            self._outputs[output.index] = output
            length, failed = len(output.text), not output.success
            self._bus.emit(E.CONSENSUS_OUTPUT_COLLECTED, stream_index=output.index, length=length, has_errors=failed)
        waiting = [index for index in range(len(self._tasks)) if index not in self._tally.outputs]
        return self._rules.is_decided(self._tally, waiting)

    async def _verdict(self) -> Verdict:
        verdict = self._rules.verdict(self._tally)
        if self._schema is None or verdict.method != "merge" or not isinstance(verdict.value, dict | list):
            return verdict
        try:
            merged = await parsed(self._schema, text_of(verdict.value))
        except ValueError:
            return self._rules.resolved(self._tally, verdict.problem, "vote")
        return verdict._replace(value=merged.data)

    def _analysis(self) -> ConsensusAnalysis:
        tally, rules = self._tally, self._rules
        pairs = tally.pairs()
        for index in tally.forms:
            self._outputs[index].similarities = [*tally.matrix[index]]
        analysis = ConsensusAnalysis(
            total_outputs=len(self._outputs),
            successful_outputs=len(tally.forms),
            failed_outputs=len(tally.failed),
            identical_outputs=sum(len(tally.alike(index)) > 1 for index in tally.forms),
            similarity_matrix=tally.matrix,
            average_similarity=fsum(pairs) / len(pairs) if pairs else 0.0,
            min_similarity=min(pairs, default=0.0),
            max_similarity=max(pairs, default=0.0),
            strategy=rules.strategy,
            conflict_resolution=rules.resolve_conflicts,
        )
        self._bus.emit(
            E.CONSENSUS_ANALYSIS,
            agreement_ratio=tally.share(tally.supporters(tally.leader())) if tally.forms else 0.0,
            strategy=rules.strategy,
            unique_results=tally.unlike,
            total_results=len(tally.outputs),
            similarity_matrix=[[*row] for row in tally.matrix],
            average_similarity=analysis.average_similarity,
        )
        return analysis

    def _result(self, verdict: Verdict, analysis: ConsensusAnalysis, began: float) -> ConsensusResult[Any]:
        agreements, disagreements = agreements_of(self._tally), disagreements_of(self._tally)
        for disagreement in disagreements:
            disagreement.resolution, disagreement.resolution_confidence = verdict.method, verdict.confidence
        analysis.total_agreements, analysis.total_disagreements = len(agreements), len(disagreements)
        analysis.duration_ms = _milliseconds(began)
        said = field_consensus(self._tally)
        are_texts = self._schema is None and all(isinstance(made.value, str) for made in self._tally.forms.values())
        return ConsensusResult(
            verdict.value,
            verdict.confidence,
            self._outputs,
            agreements,
            disagreements,
            analysis,
            type="text" if are_texts else "structured",
            field_consensus=said if said.fields else None,
            status=verdict.status,
        )

    def _cause(self) -> ExceptionGroup[Exception] | None:
        """What the tasks raised, if there is nothing else."""
        if self._tally.forms:
            return None
        return ExceptionGroup(
            "what the tasks raised", [error for error in self._errors if isinstance(error, Exception)]
        )


def _milliseconds(began: float) -> float:
    return (perf_counter() - began) * 1000


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _is_cancelled() -> bool:
    """Whether somebody cancels the task that this runs in. What is called in it may raise the same by itself."""
    current = asyncio.current_task()
    return current is None or current.cancelling() > 0
