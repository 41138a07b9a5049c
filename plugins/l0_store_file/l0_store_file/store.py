"""The store in files: a folder of logs, and the thread that alone touches them."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from l0_eventsourcing import Head, Job, Record, RecordStore, Worker

from l0_core import StoreError
from l0_store_file import system
from l0_store_file.folder import Damage, Folder, as_store_error, logger
from l0_store_file.log import Log
from l0_store_file.names import folder_name, stem_of, stream_id_of

__all__ = ["Durability", "FileEventStore"]

Durability = Literal["process", "power"]

OPEN = 64
"""Logs that are kept open."""

KNOWN = 1024
"""Logs of which is remembered what is in them; another has to be looked through when it is next needed."""

POLL = 0.02
"""Seconds after which a follower looks whether somebody has written."""


class FileEventStore(RecordStore):
    """Keeps each stream in a log of its own, in the folder `prefix` of `base_path`. Many processes may share it.

    What is acknowledged outlives the process with `durability="process"`, and the loss of power with `"power"`, which
    waits for the disk at each write. `ttl` is in milliseconds after the last event; 0 keeps for ever. Raises ValueError
    for what cannot be meant.
    """

    def __init__(
        self,
        base_path: str | os.PathLike[str] = "./l0-events",
        prefix: str = "l0",
        ttl: int = 0,
        *,
        durability: Durability = "process",
    ) -> None:
        super().__init__(prefix, ttl)
        if durability not in ("process", "power"):
            raise ValueError(f"durability is {durability!r}; it must be 'process' or 'power'")
        path = os.path.join(os.path.abspath(base_path), folder_name(prefix))
        self._folder = Folder(path, durability == "power")
        self._logs = _Logs(self._folder)
        self._worker = Worker("l0-store-file", self._perform)
        weakref.finalize(self, self._logs.close)

    @classmethod
    def validate_stream_id(cls, stream_id: str) -> None:
        """Any text is an id. Raises TypeError for what is no text."""
        if not isinstance(stream_id, str):
            raise TypeError(f"the id of a stream is a text, not {stream_id!r}")

    @property
    def damaged(self) -> list[Damage]:
        """The logs that this store has found damaged."""
        return list(self._folder.damaged)

    async def write_records(self, stream_id: str, records: Sequence[Record]) -> None:
        self.validate_stream_id(stream_id)
        for record in records:
            if record.count < 1 or b"\n" in record.body:
                raise ValueError(f"the record of event {record.seq} has no event, or a line break in its JSON")
        if records:
            await self._worker.run(partial(self._append_to, stream_id, records), writes=True)

    async def read_records(self, stream_id: str, from_seq: int = 0, limit: int | None = None) -> list[Record]:
        records: list[Record] = await self._on(stream_id, Log.read, from_seq, limit)
        return records

    async def read_head(self, stream_id: str) -> Head | None:
        head: Head | None = await self._on(stream_id, Log.head)
        return head

    async def remove(self, stream_id: str) -> bool:
        existed: bool = await self._on(stream_id, Log.remove)
        return existed

    async def list_ids(self, prefix: str) -> list[str]:
        ids: list[str] = await self._worker.run(partial(self._listed, prefix))
        return ids

    async def write_snapshot(self, stream_id: str, seq: int, body: bytes) -> None:
        await self._on(stream_id, Log.add_snapshot, seq, body)

    async def read_snapshot(self, stream_id: str, seq: int) -> bytes | None:
        body: bytes | None = await self._on(stream_id, Log.snapshot, seq)
        return body

    async def wait_for(self, stream_id: str, seq: int, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while (left := end - loop.time()) > 0:
            await asyncio.sleep(min(left, POLL))
            if await self._on(stream_id, Log.may_have, seq):
                return

    async def aclose(self) -> None:
        """Close the files, and end the thread, when what was asked for is done. Using the store opens it again."""
        await self._worker.run(self._logs.close)
        await self._worker.aclose()

    async def _on(self, stream_id: str, do: Any, *args: Any) -> Any:
        """Do something with a log."""
        self.validate_stream_id(stream_id)
        return await self._worker.run(partial(self._do_on, stream_id, do, *args))

    # What happens in the thread.

    def _perform(self, jobs: Sequence[Job]) -> None:
        """What is to be written to one stream, with nothing to be read in between, is written in one go."""
        with self._logs.lock:  # While a store is closed, the thread of what is asked for next may have begun.
            self._perform_all(jobs)

    def _perform_all(self, jobs: Sequence[Job]) -> None:
        writes: dict[str, list[Job]] = {}
        for job in jobs:
            if job.writes:
                assert isinstance(job.do, partial)
                writes.setdefault(job.do.args[0], []).append(job)
            else:
                self._append_all(writes)
                writes = {}
                try:
                    job.future.set_result(job.do())
                except BaseException as error:
                    job.future.set_exception(error)
        self._append_all(writes)

    def _append_all(self, writes: dict[str, list[Job]]) -> None:
        for stream_id, jobs in writes.items():
            batches = [job.do.args[1] for job in jobs if isinstance(job.do, partial)]
            refusals: Sequence[BaseException | None]
            try:
                refusals = self._append_to(stream_id, *batches)
            except BaseException as error:
                refusals = [error] * len(jobs)
            for job, refusal in zip(jobs, refusals, strict=True):
                if refusal is None:
                    job.future.set_result(None)
                else:
                    job.future.set_exception(refusal)

    def _append_to(self, stream_id: str, *batches: Sequence[Record]) -> list[StoreError | None]:
        refusals: list[StoreError | None] = self._do_on(
            stream_id, Log.append, batches, self.clock() if self.ttl else None
        )
        return refusals

    def _do_on(self, stream_id: str, do: Any, *args: Any) -> Any:
        log = self._logs.get(stream_id)
        try:
            return do(log, *args)
        except OSError as error:
            raise as_store_error(error, log.path) from error

    def _listed(self, prefix: str) -> list[str]:
        try:
            names = system.listdir(self._folder.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise as_store_error(error, self._folder.path) from error
        ids = []
        for name in names:
            stem, _, suffix = name.partition(".")
            if suffix == "log" and (stream_id := self._begun(stem, prefix)) is not None:
                ids.append(stream_id)
        return ids

    def _begun(self, stem: str, prefix: str) -> str | None:
        """The id of a stream, if it begins with the prefix and has an event."""
        try:
            stream_id = stream_id_of(stem)
        except ValueError:
            return None
        if stream_id is not None and not stream_id.startswith(prefix):
            return None
        log = Log(self._folder, stem, stream_id)
        try:
            return log.stream_id if log.has_begun() and (log.stream_id or "").startswith(prefix) else None
        except (OSError, StoreError) as error:
            logger.warning("%s is not listed: %s", log.path, error)
            return None
        finally:
            log.close()


class _Logs:
    """The logs that are open, and those that are known."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known: OrderedDict[str, Log] = OrderedDict()
        self._open: OrderedDict[str, Log] = OrderedDict()
        self.lock = threading.Lock()
        _all.add(self)

    def get(self, stream_id: str) -> Log:
        """The log of a stream."""
        log = self._known.get(stream_id)
        if log is None:
            log = self._known[stream_id] = Log(self._folder, stem_of(stream_id), stream_id)
        self._open[stream_id] = log
        self._known.move_to_end(stream_id)
        self._open.move_to_end(stream_id)
        if len(self._open) > OPEN:
            self._open.popitem(last=False)[1].close()
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return log

    def close(self) -> None:
        """Let go of all."""
        for log in self._open.values():
            log.close()
        self._open.clear()
        self._known.clear()
        self._folder.failed.clear()


_all: weakref.WeakSet[_Logs] = weakref.WeakSet()


def _let_go() -> None:
    """A process that was forked opens files of its own: those of its parent have one lock and one place for both."""
    for logs in list(_all):
        logs.lock = threading.Lock()
        logs.close()


os.register_at_fork(after_in_child=_let_go)
