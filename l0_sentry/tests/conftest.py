"""The real SDK, with a transport that keeps what would be sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.envelope import Envelope
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.transport import Transport


class Sent(Transport):
    """Keeps envelopes, as bytes."""

    def __init__(self) -> None:
        super().__init__({})
        self.bytes = b""
        self.issues: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.spans: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.bytes += envelope.serialize()
        for item in envelope.items:
            payload = json.loads(item.payload.get_bytes())
            if item.type == "event":
                self.issues.append(payload)
            elif item.type == "transaction":
                self.transactions.append(payload)
                self.spans += payload["spans"]
            elif item.type == "span":
                self.spans += payload["items"]


Init = Callable[..., Sent]


@pytest.fixture
def init() -> Iterator[Init]:
    """`init(**options)` initialises the SDK for one test, and returns what is sent, unless that goes to a `dsn`."""
    with ExitStack() as stack:
        stack.enter_context(use_isolation_scope(sentry_sdk.Scope()))
        stack.enter_context(use_scope(sentry_sdk.Scope()))

        def init(**options: Any) -> Sent:
            sent = Sent()
            quiet = {"default_integrations": False, "auto_enabling_integrations": False}
            given = {"dsn": "http://public@127.0.0.1:9/1", "transport": sent, **quiet, **options}
            # Older SDKs have not every option, and do by themselves what it asks for.
            sentry_sdk.init(**{key: value for key, value in given.items() if key in DEFAULT_OPTIONS})
            stack.callback(sentry_sdk.get_client().close, timeout=0)
            return sent

        yield init
        stack.close()
        sentry_sdk.Scope.get_global_scope().set_client(None)
