"""Reading cassettes: each line is checked, since a file may be damaged, or edited by hand."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from l0_testing.cassette import (
    ENDS,
    FORMAT,
    VERSION,
    Cassette,
    CassetteError,
    End,
    Exchange,
    Piece,
    RecordedRequest,
    RecordedResponse,
)
from l0_testing.cassette_http import FIELD, NAME, framing

__all__ = ["read_cassette"]

T = TypeVar("T")
PATH = re.compile(r"/[\x21-\x7e\x80-\xff]*")


def read_cassette(path: str | os.PathLike[str]) -> Cassette:
    """Read a cassette. Fields that are not known are passed over, and so is a last line that was cut off.

    Raises:
        CassetteError: the file is no cassette, or is damaged; the message names file, line, and what is wrong there.
        OSError: it cannot be read.
    """
    cassette = Cassette("", [])
    exchanges: dict[int, Exchange] = {}
    number = 0
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                if number > 1 and not raw.endswith(b"\n") and not _is_whole(raw):
                    break
                if number == 1:
                    cassette.upstream = _header(_parsed(raw))
                else:
                    _add(exchanges, _parsed(raw))
            except ValueError as error:
                raise CassetteError(f"{os.fspath(path)}, line {number}: {error}") from error
    if number == 0:
        raise CassetteError(f"{os.fspath(path)}: this is no cassette: it is empty")
    cassette.exchanges.extend(exchanges.values())
    return cassette


def _header(fields: Mapping[str, Any]) -> str:
    if fields.get("format") != FORMAT:
        raise ValueError(f'this is no cassette: its first line would hold "format": "{FORMAT}"')
    if (version := _integer(fields, "version")) > VERSION:
        raise ValueError(f"the format's version is {version}, and {VERSION} is read: upgrade l0-testing")
    upstream = _of(str, fields, "upstream", "")
    if (path := urlsplit(upstream).path) and not PATH.fullmatch(path):
        raise ValueError(f"{upstream[:80]!r} is no URL of an upstream")
    return upstream


def _add(exchanges: dict[int, Exchange], fields: Mapping[str, Any]) -> None:
    """Take a line. One of another kind, which a later version may write, is passed over."""
    if "exchange" not in fields:
        return
    number = _integer(fields, "exchange")
    exchange = exchanges.get(number)
    if "request" in fields:
        if exchange is not None:
            raise ValueError(f"exchange {number} has begun before")
        exchanges[number] = Exchange(_request(_of(dict, fields, "request")))
        return
    if exchange is None:
        raise ValueError(f"exchange {number} has no request before this line")
    if exchange.end is not None:
        raise ValueError(f"exchange {number} has ended before")
    if "response" in fields:
        if exchange.response is not None:
            raise ValueError(f"exchange {number} has a response already")
        exchange.response = _response(_time(fields), _of(dict, fields, "response"), exchange.request.method)
    elif "end" in fields:
        exchange.end = _end(fields, exchange)
    elif (data := _bytes(fields)) is not None:
        if exchange.response is None:
            raise ValueError(f"exchange {number} has no response before this piece of one")
        exchange.pieces.append(Piece(_time(fields), data))


def _is_whole(raw: bytes) -> bool:
    try:
        _parsed(raw)
    except ValueError:
        return False
    return True


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"this is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("this is no JSON object")
    return fields


def _request(fields: Mapping[str, Any]) -> RecordedRequest:
    method, path = _of(str, fields, "method"), _of(str, fields, "path")
    if not NAME.fullmatch(method) or not PATH.fullmatch(path):
        raise ValueError(f"{method[:80]!r} {path[:80]!r} is no request")
    digest = _of(str, fields, "sha256", "")
    return RecordedRequest(method, path, _headers(fields), _integer(fields, "length", 0), digest, _bytes(fields))


def _response(at: float, fields: Mapping[str, Any], method: str) -> RecordedResponse:
    status, reason = _integer(fields, "status"), _of(str, fields, "reason", "")
    if not 200 <= status <= 999:
        raise ValueError(f"{status} is no status of a response")
    if not FIELD.fullmatch(reason):
        raise ValueError(f"{reason[:80]!r} is no reason of a status")
    response = RecordedResponse(at, status, reason, _headers(fields))
    framing(method, status, response.headers)
    return response


def _end(fields: Mapping[str, Any], exchange: Exchange) -> End:
    how = _of(str, fields, "end")
    if how not in ENDS:
        raise ValueError(f"an exchange does not end {how[:80]!r}; it may end {', '.join(ENDS)}")
    if how == "clean":
        if exchange.response is None:
            raise ValueError("an exchange without a response does not end clean")
        expected = framing(exchange.request.method, exchange.response.status, exchange.response.headers)
        if isinstance(expected, int) and expected != len(exchange.body):
            raise ValueError(f"the body has {len(exchange.body)} bytes and was to have {expected}: mend content-length")
    return End(_time(fields), how, _bytes(fields) or b"")


def _headers(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = _of(list, fields, "headers")
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)):
            raise ValueError("headers are pairs of a name and a value")
        if not NAME.fullmatch(pair[0]) or not FIELD.fullmatch(pair[1]):
            raise ValueError(f"{': '.join(pair)[:80]!r} is no header")
    return tuple((name, value) for name, value in pairs)


def _time(fields: Mapping[str, Any]) -> float:
    at = fields.get("at")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e12:
        raise ValueError('"at" is a number of milliseconds, 0 or more')
    return float(at)


def _integer(fields: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f'"{name}" is an integer, 0 or more')
    return value


def _of(kind: type[T], fields: Mapping[str, Any], name: str, default: T | None = None) -> T:
    value = fields.get(name, default)
    if not isinstance(value, kind):
        raise ValueError(f'"{name}" is of type {kind.__name__} here')
    return value


def _bytes(fields: Mapping[str, Any]) -> bytes | None:
    if "text" in fields:
        try:
            return _of(str, fields, "text").encode()
        except UnicodeEncodeError:
            raise ValueError('"text" holds half a character: bytes that are no UTF-8 belong in "bytes"') from None
    if "bytes" in fields:
        try:
            return base64.b64decode(_of(str, fields, "bytes"), validate=True)
        except ValueError as error:
            raise ValueError(f'"bytes" is no base64: {error}') from None
    return None
