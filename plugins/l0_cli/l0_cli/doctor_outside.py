"""What `l0 doctor` checks outside of this process: the store, and where telemetry goes. Nothing is written there."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

from l0_cli import findings
from l0_cli.findings import Finding, bounded, connect
from l0_cli.streams import address, configured_url, opened, path_of
from l0_cli.terminal import CommandError
from l0_core import Error

__all__ = ["exporters", "store"]

ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in ("", "TRACES_", "METRICS_", "LOGS_"))
PORTS = {"http": 80, "https": 443, "grpc": 4317, "": 4317}

NOBODY = "l0-doctor"
"""The stream that is asked for: whether it is there does not matter."""

READ_ONLY = "25006"
"""The SQLSTATE of a write in a transaction that may only read."""


def store() -> Iterator[Finding]:
    """Whether the configured store can be reached: opened, asked for a stream and closed, and never written to."""
    try:
        url = configured_url()
    except Error:
        yield Finding.of("store", "warning", "not checked: the configuration cannot be read", "correct that first")
        return
    if url is None:
        yield Finding.of("store", "ok", "none is configured: only streams with record= are recorded")
        return
    scheme, where = url.partition("://")[0], address(url)
    try:
        if where is not None:
            connect(*where, findings.WAIT)
        yield bounded(lambda: _store(scheme, url), findings.WAIT)
    except (CommandError, Error, OSError, ValueError) as error:
        at = "" if where is None else f" at {where[0]}:{where[1]}"
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        is_away = where is not None and isinstance(error, OSError)
        fix = "start it, or correct the URL" if is_away else "correct the URL, or what it may do there"
        yield Finding.of("store", "problem", f"{scheme}://{at} cannot be used: {said}", fix)


def _store(scheme: str, url: str) -> Finding:
    """What is to be said of a store of which nothing bad is known yet. Raises what goes wrong."""
    # Making it judges the URL. None of ours opens anything before it is used.
    made = opened(url)
    path = path_of(url)
    if path is not None:
        return _local(scheme, path)
    if scheme == "memory":
        return Finding.of("store", "ok", "memory://: what is recorded there is gone with the process")
    if scheme in ("postgres", "postgresql"):
        # It makes its tables with whatever is done first, unless the server forbids it.
        made = opened(f"{url}{'&' if '?' in url else '?'}default_transaction_read_only=on")

    async def ask() -> None:
        try:
            await made.exists(NOBODY)
        finally:
            close = getattr(made, "aclose", None)
            if close is not None:
                await close()

    where = address(url)
    name = f"{scheme}://" if where is None else f"{scheme}:// at {where[0]}:{where[1]}"
    try:
        asyncio.run(ask())
    except Error as error:
        if getattr(error.__cause__, "sqlstate", None) != READ_ONLY:
            raise
        return Finding.of("store", "ok", f"{name} answers; its tables are made with the first stream")
    return Finding.of("store", "ok", f"{name} answers")


def _local(scheme: str, path: Path) -> Finding:
    """What is to be said of a store in a file or a folder. One that is not there yet is not made."""
    if not path.exists():
        _check_rights(next(each for each in path.parents if each.exists()))
        return Finding.of("store", "ok", f"{path} is made with the first stream")
    if path.is_dir() != (scheme == "file"):
        raise OSError(f"{path} is {'a folder' if path.is_dir() else 'no folder'}")
    _check_rights(path if path.is_dir() else path.parent)
    if scheme == "sqlite":
        _look_into(path)
    return Finding.of("store", "ok", f"{path} can be read and written")


def _check_rights(folder: Path) -> None:
    """Raise OSError for what is no folder, or one in which nothing can be made."""
    if not folder.is_dir():
        raise OSError(f"{folder} is no folder")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise OSError(f"the folder {folder} may not be written to")


def _look_into(path: Path) -> None:
    """Raise OSError for a file that is no database of streams, or may not be written to."""
    if not os.access(path, os.R_OK | os.W_OK):
        raise OSError(f"{path} may not be written to")
    try:
        # Without "immutable", even a reader would leave files beside it.
        connection = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error
    if tables and not {"streams", "records"} <= tables:
        raise OSError(f"{path} is the database of another application")


def exporters() -> Iterator[Finding]:
    """Whether anybody takes connections where OpenTelemetry and Sentry are told by variables to send to."""
    named = {name: os.environ[name] for name in (*ENDPOINTS, "SENTRY_DSN") if os.environ.get(name)}
    for name, url in named.items():
        parts = urlsplit(url if "//" in url else f"//{url}")
        try:
            host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
            if not host or not port:
                raise ValueError("it has no host")
        except ValueError as error:
            fix = "write it like http://127.0.0.1:4318"
            yield Finding.of("exporters", "warning", f"{name} is no address: {error}", fix)
            continue
        where = f"{host}:{port}, of {name},"
        try:
            connect(host, port, findings.WAIT)
        except OSError as error:
            said = f"{where} takes no connection: {error.strerror or error}"
            yield Finding.of("exporters", "warning", said, "start it, or correct the variable: telemetry is lost")
        else:
            yield Finding.of("exporters", "ok", f"{where} takes connections")
    if not named:
        yield Finding.of("exporters", "ok", "no variable names one (OTEL_EXPORTER_OTLP_ENDPOINT, SENTRY_DSN)")
