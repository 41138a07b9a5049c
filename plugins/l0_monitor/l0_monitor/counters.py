"""Counters of what streams did, over the whole process or for a part of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

__all__ = ["Metrics", "MetricsSnapshot", "create_metrics", "get_global_metrics", "reset_global_metrics"]


@dataclass(frozen=True)
class MetricsSnapshot:
    """What the counters said at one moment.

    | counter | what it counts |
    |---|---|
    | `requests` | streams that were read |
    | `tokens` | deltas of text delivered, over all streams |
    | `retries` | retries, of whatever kind |
    | `network_retry_count` | those of them that the model is not to blame for: as in `State.network_retry_count` |
    | `errors` | attempts that failed |
    | `violations` | what guardrails found, warnings too |
    | `drift_detections` | drifts found |
    | `fallbacks` | changes to a fallback |
    | `completions` | streams whose outcome is `complete` |
    | `timeouts` | waits for the first or the next token that took too long |
    """

    requests: int
    tokens: int
    retries: int
    network_retry_count: int
    errors: int
    violations: int
    drift_detections: int
    fallbacks: int
    completions: int
    timeouts: int


_COUNTERS = tuple(field.name for field in fields(MetricsSnapshot))


class Metrics:
    """Counters to be incremented in place. They mean what `MetricsSnapshot` says."""

    requests: int
    tokens: int
    retries: int
    network_retry_count: int
    errors: int
    violations: int
    drift_detections: int
    fallbacks: int
    completions: int
    timeouts: int

    def __init__(self) -> None:
        self.reset()

    def __repr__(self) -> str:
        return f"Metrics({', '.join(f'{name}={value}' for name, value in self.to_dict().items())})"

    def reset(self) -> None:
        """Set every counter to zero."""
        for name in _COUNTERS:
            setattr(self, name, 0)

    def snapshot(self) -> MetricsSnapshot:
        """A copy that does not change."""
        return MetricsSnapshot(*(getattr(self, name) for name in _COUNTERS))

    def to_dict(self) -> dict[str, int]:
        """The counters by name."""
        return asdict(self.snapshot())

    @classmethod
    def create(cls) -> Metrics:
        """Counters of one's own, at zero."""
        return cls()

    @classmethod
    def get_global(cls) -> Metrics:
        """The counters of the process: always the same object."""
        return _GLOBAL

    @classmethod
    def reset_global(cls) -> None:
        """Set the counters of the process to zero."""
        _GLOBAL.reset()


_GLOBAL = Metrics()


def create_metrics() -> Metrics:
    """Counters of one's own, at zero."""
    return Metrics.create()


def get_global_metrics() -> Metrics:
    """The counters of the process: always the same object."""
    return Metrics.get_global()


def reset_global_metrics() -> None:
    """Set the counters of the process to zero."""
    Metrics.reset_global()
