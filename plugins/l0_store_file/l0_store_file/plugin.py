"""The store in files as a plugin, which a URL names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote

from l0_eventsourcing import StoreOptions, StorePlugin

from l0_core import ConfigError
from l0_store_file.store import Durability, FileEventStore

__all__ = ["FileStore", "FileStoreOptions"]


@dataclass(frozen=True, kw_only=True)
class FileStoreOptions(StoreOptions):
    """What a store in files can be told in a configuration. `durability` is what the store outlives."""

    durability: Durability = "process"


class FileStore(StorePlugin):
    """Records streams in files: `file:///folder` is relative, `file:////var/folder` absolute."""

    Options: ClassVar[type[StoreOptions]] = FileStoreOptions

    def open(self, options: Any) -> FileEventStore:
        where = _path(options.url) if options.url else "./l0-events"
        return FileEventStore(where, ttl=options.ttl, durability=options.durability)


def _path(url: str) -> str:
    """The folder that a URL means. Raises ConfigError for a URL that means none."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    path = unquote(path)
    if scheme != "file" or host or not path.strip("/") or "\0" in path or "?" in rest or "#" in rest:
        raise ConfigError(
            f"{url!r} names no folder: write file:///folder for a relative one, and file:////var/folder for an "
            "absolute one, with %3F for a question mark and %23 for a number sign"
        )
    return path
