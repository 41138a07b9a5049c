"""A receiver of Sentry's envelopes on loopback."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from l0_testing.loopback_receiver import LIMIT, Receiver, RefusedError, Request

__all__ = ["SentryEnvelope", "SentryItem", "SentryReceiver"]


@dataclass(frozen=True, slots=True)
class SentryItem:
    """What an envelope holds: an "event", a "transaction", a "span", ..."""

    type: str
    headers: dict[str, Any]
    payload: bytes

    @property
    def json(self) -> Any:
        """The payload, if it is JSON. Raises ValueError if it is not."""
        return json.loads(self.payload)


@dataclass(frozen=True, slots=True)
class SentryEnvelope:
    """What an SDK sends at a time."""

    headers: dict[str, Any]
    items: tuple[SentryItem, ...]


class SentryReceiver(Receiver):
    """Takes envelopes at `dsn`: `sentry_sdk.init(receiver.dsn)`. It needs no SDK itself.

    `with SentryReceiver() as receiver:` serves it from a thread. How it misbehaves is said as to every `Receiver`:
    `status`, `delay`, `silent`. Envelopes may be compressed with gzip, or with Brotli if `brotli` is installed.
    """

    def __init__(self, *, status: int = 200, delay: float = 0.0, silent: bool = False, limit: int = LIMIT) -> None:
        super().__init__(status=status, delay=delay, silent=silent, limit=limit)
        self.envelopes: list[SentryEnvelope] = []
        """Every envelope, in order of arrival."""

    @property
    def dsn(self) -> str:
        """The DSN of its one project."""
        return f"{self.url.replace('//', '//public@')}/1"

    def items(self, type: str) -> list[Any]:
        """The payloads of all items of a type, from JSON."""
        return [item.json for envelope in self.envelopes for item in envelope.items if item.type == type]

    def keep(self, request: Request) -> bytes:
        """Take an envelope apart."""
        if not re.fullmatch(r"/api/\w+/envelope/", request.path):
            raise RefusedError(404, f"no envelope is taken at {request.path}")
        try:
            envelope = _envelope(request.body)
        except (ValueError, KeyError, AttributeError) as error:
            raise RefusedError(400, f"this is no envelope: {error!r}") from error
        self.envelopes.append(envelope)
        return json.dumps({"id": envelope.headers.get("event_id")}).encode()


def _envelope(data: bytes) -> SentryEnvelope:
    line, _, rest = data.partition(b"\n")
    headers, items = json.loads(line), []
    while rest := rest.lstrip(b"\n"):
        line, _, rest = rest.partition(b"\n")
        told = json.loads(line)
        length = told.get("length")
        if length is None:
            payload, _, rest = rest.partition(b"\n")
        elif length > len(rest):
            raise ValueError("an item is cut short")
        else:
            payload, rest = rest[:length], rest[length:]
        items.append(SentryItem(told["type"], told, payload))
    return SentryEnvelope(headers, tuple(items))
