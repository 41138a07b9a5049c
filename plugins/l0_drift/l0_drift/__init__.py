"""A guardrail for answers that wander off from what they were: `DriftGuard` in a stream, `DriftDetector` by itself."""

from __future__ import annotations

from l0_core import AttemptContext, Check, hookimpl
from l0_drift.config import DriftConfig, DriftType
from l0_drift.detector import Drift, DriftDetector, DriftResult, check_drift, create_drift_detector, judge_drift
from l0_drift.engine import HOLDBACK

__all__ = [
    "Drift",
    "DriftConfig",
    "DriftDetector",
    "DriftGuard",
    "DriftResult",
    "DriftType",
    "check_drift",
    "create_drift_detector",
]


class DriftGuard:
    """Finds drift in an answer as it arrives. The attempt is made again; the last one is accepted, and marked."""

    Options = DriftConfig

    def __init__(self, options: DriftConfig | None = None) -> None:
        self.options = options or DriftConfig()

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        return Check(judge_drift(self.options), HOLDBACK)
