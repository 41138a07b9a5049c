"""Streams of L0 in files: one append-only log each. The format is described in the README."""

from __future__ import annotations

from l0_store_file.folder import Damage
from l0_store_file.plugin import FileStore, FileStoreOptions
from l0_store_file.store import FileEventStore

__all__ = ["Damage", "FileEventStore", "FileStore", "FileStoreOptions"]
