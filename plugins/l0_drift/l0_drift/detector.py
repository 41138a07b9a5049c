"""The documented detector: judges whole content, each time that it is asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from l0_core import DriftViolation
from l0_drift.config import CONFIDENCE, DriftConfig, DriftType, Finding
from l0_drift.engine import BLOCK, Engine

if TYPE_CHECKING:
    from l0_core import AttemptContext

__all__ = ["Drift", "DriftDetector", "DriftResult", "check_drift", "create_drift_detector", "judge_drift"]

DeltaJudge = Callable[[str, bool], list[DriftViolation] | None]


@dataclass
class DriftResult:
    """Whether a content drifts, how sure that is (0 to 1), in which ways, and what they are in words."""

    detected: bool
    confidence: float
    types: list[DriftType]
    details: str | None = None


class DriftDetector:
    """Judges a content that grows. A result depends on the content alone, and on nothing that was checked before.

    In a stream (`drift_detector=`) it serves any number of attempts, and reads the text of each once.
    """

    _engine: Engine
    _content: str
    _found: list[Finding]
    _deltas: deque[str]

    def __init__(self, config: DriftConfig | None = None) -> None:
        self.config = config or DriftConfig()
        self.reset()

    def check(self, content: str, delta: str | None = None) -> DriftResult:
        """Judge `content`. Of content that goes on from the last time, only what is new is read.

        `delta`, if given, is what it ends with that is new: that it goes on is believed then, and not compared.
        """
        before = self._content
        goes_on = (
            len(content) == len(before) + len(delta) and content.endswith(delta)
            if delta is not None
            else content.startswith(before)
        )
        if not goes_on:
            self._engine, self._found, before = Engine(self.config), [], ""
        new = content[len(before) :]
        self._found += self._engine.feed(new)
        self._content = content
        self._deltas.append(new if delta is None else delta)
        found = self._found + self._engine.copy().end()
        return _result(sorted(found, key=lambda finding: finding.position))

    def reset(self) -> None:
        """Forget everything that was checked."""
        self._engine = Engine(self.config)
        self._content = ""
        self._found = []
        self._deltas = deque(maxlen=self.config.entropy_window)

    def get_history(self) -> dict[str, Any]:
        """What is remembered.

        `entropy`: samples of the content, in bits per character; `tokens`: the latest pieces that were checked;
        `last_content`: the latest content.
        """
        return {"entropy": self._engine.entropies, "tokens": list(self._deltas), "last_content": self._content}

    def open(self, ctx: AttemptContext) -> DeltaJudge:
        """Open the detector for one attempt of a stream. What was checked before has no part in it."""
        return judge_drift(self.config)


def _result(found: list[Finding]) -> DriftResult:
    return DriftResult(
        detected=bool(found),
        confidence=max((CONFIDENCE[finding.kind] for finding in found), default=0.0),
        types=[finding.kind for finding in found],
        details="; ".join(finding.detail for finding in found) or None,
    )


def judge_drift(config: DriftConfig) -> DeltaJudge:
    """The judge of one attempt."""
    engine = Engine(config)

    waiting = ""

    def judge(delta: str, final: bool) -> list[DriftViolation] | None:
        nonlocal waiting
        waiting += delta
        # The engine sees no more than whole blocks before the end, so less than one need not reach it.
        if len(waiting) < BLOCK and not final:
            return None
        found = engine.feed(waiting)
        waiting = ""
        if final:
            found += engine.end()
        return [_violation(finding) for finding in found] if found else None

    return judge


def _violation(finding: Finding) -> DriftViolation:
    return DriftViolation(
        "drift",
        f"The answer drifts: {finding.detail}",
        position=finding.position,
        types=(finding.kind,),
        confidence=CONFIDENCE[finding.kind],
    )


def create_drift_detector(config: DriftConfig | None = None) -> DriftDetector:
    """A detector."""
    return DriftDetector(config)


def check_drift(content: str) -> DriftResult:
    """Judge one content."""
    return DriftDetector().check(content)


class Drift:
    """`Drift.check(content)` and `Drift.create_detector(config)`."""

    check = staticmethod(check_drift)
    create_detector = staticmethod(create_drift_detector)
