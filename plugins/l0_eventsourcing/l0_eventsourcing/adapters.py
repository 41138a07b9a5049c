"""Stores by the name of their kind."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from l0_eventsourcing.memory import InMemoryEventStore
from l0_eventsourcing.store import BaseEventStore, EventStore

__all__ = [
    "StorageAdapterConfig",
    "StorageAdapterFactory",
    "create_event_store",
    "get_registered_adapters",
    "open_store",
    "register_storage_adapter",
    "unregister_storage_adapter",
]


@dataclass
class StorageAdapterConfig:
    """Which store, and where. `ttl` is in milliseconds, 0 for ever; `options` are those of the kind's own."""

    type: str
    connection: str | None = None
    prefix: str = "l0"
    ttl: int = 0
    options: dict[str, Any] = field(default_factory=dict)


StorageAdapterFactory = Callable[[StorageAdapterConfig], "EventStore | Awaitable[EventStore]"]


def _memory(config: StorageAdapterConfig) -> EventStore:
    return InMemoryEventStore(config.prefix, config.ttl)


def _file(config: StorageAdapterConfig) -> EventStore:
    where = config.connection or "./l0-events"
    store: EventStore = file_event_store()(where, prefix=config.prefix, ttl=config.ttl, **config.options)
    return store


def file_event_store() -> Any:
    """The class of the store in files. Raises ImportError, which says what to install."""
    try:
        return import_module("l0_store_file").FileEventStore
    except ModuleNotFoundError as error:
        if error.name != "l0_store_file":
            raise
        raise ImportError("a store in files needs the l0-store-file package: pip install l0-store-file") from None


_adapters: dict[str, StorageAdapterFactory] = {"memory": _memory, "file": _file}


def register_storage_adapter(adapter_type: str, factory: StorageAdapterFactory) -> None:
    """Register what makes the stores of a kind: a function of a StorageAdapterConfig, which may be async."""
    _adapters[adapter_type] = factory


def unregister_storage_adapter(adapter_type: str) -> bool:
    """Forget a kind of store; return whether it was registered."""
    return _adapters.pop(adapter_type, None) is not None


def get_registered_adapters() -> list[str]:
    """The kinds of stores that can be created."""
    return list(_adapters)


async def create_event_store(config: StorageAdapterConfig) -> EventStore:
    """Create a store of a registered kind. Raises ValueError for a kind that is not."""
    factory = _adapters.get(config.type)
    if factory is None:
        raise ValueError(f"no adapter is registered for {config.type!r}; registered are {', '.join(_adapters)}")
    made = factory(config)
    return await made if inspect.isawaitable(made) else made


def open_store(url: str) -> BaseEventStore:
    """The store that a URL means: `sqlite:///runs.db`, or whatever scheme an installed store has.

    The same URL means the same store in one process. Raises PluginError for a scheme that nothing installed has.
    """
    from l0_core import PluginError, bind_store

    store = getattr(bind_store(url).plugin, "store", None)
    if store is None:
        scheme = url.partition(":")[0]
        raise PluginError(f"what is installed as the store {scheme!r} records, and cannot be read from here")
    return store  # type: ignore[no-any-return]
