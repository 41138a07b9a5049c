"""How the runtime reads a fake provider's streams: by an adapter, as it reads those of an SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import l0
import pytest
from l0_testing import FakeProvider


class FakeStreams:
    """The adapter of every `FakeProvider`."""

    name = "fake"

    def detect(self, stream: Any) -> bool:
        return type(stream).__name__ == "_FakeStream"

    def wrap(self, stream: Any, options: Any = None) -> Any:
        raise AssertionError("read by stream_adapter")

    def stream_adapter(self) -> Any:
        return FakeProvider(()).stream_adapter()


@pytest.fixture(autouse=True)
def fake_streams() -> Iterator[None]:
    l0.Adapters.register(FakeStreams())
    yield
    l0.Adapters.unregister("fake")
