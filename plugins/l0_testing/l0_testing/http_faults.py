"""Faults of the connection, and of HTTP before the body."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from functools import partial
from time import time

from l0_testing.kinds import Outcome, fault
from l0_testing.wire import Reply, error_body

REDIRECTED = "/v1/redirected"


@fault("rst_before", "H4", "text")
async def _rst_before(reply: Reply) -> None:
    """The connection is reset before any response."""
    await reply.connection.reset()


@fault("fin_before", "H5", "text")
async def _fin_before(reply: Reply) -> None:
    """The connection is closed before any response."""
    reply.connection.close()


@fault("no_headers", "H6", "text")
async def _no_headers(reply: Reply) -> None:
    """The request is taken, and nothing ever comes."""
    await asyncio.Event().wait()


@fault("no_body", "H7", "text")
async def _no_body(reply: Reply) -> None:
    """The headers of a 200 come, and not a byte of body."""
    await reply.forever()


async def _status(reply: Reply, status: int, body: bytes, hint: str = "") -> None:
    wait = reply.fault.seconds
    headers = {
        "": {},
        "seconds": {"retry-after": f"{wait:g}"},
        "date": {"retry-after": formatdate(time() + wait, usegmt=True)},
        "ms": {"retry-after-ms": f"{wait * 1000:g}"},
    }[hint]
    await reply.status(status, body, headers)


def _register_statuses() -> None:
    server = error_body("The server had an error while processing your request", "server_error")
    overloaded = error_body("Overloaded", "overloaded_error")
    limited = error_body("Rate limit reached", "requests", "rate_limit_exceeded")
    quota = error_body("You exceeded your current quota", "insufficient_quota", "insufficient_quota")
    conflict = error_body("Try again", "invalid_request_error")
    key = error_body("Incorrect API key provided", "invalid_request_error", "invalid_api_key")
    country = error_body("Country not supported", "request_forbidden", "unsupported_country_region_territory")
    length = error_body("This model's maximum context length is 8192 tokens", "invalid_request_error")
    length_code = length.replace(b'"code":null', b'"code":"context_length_exceeded"')
    model = error_body("The model does not exist", "invalid_request_error")
    model_code = model.replace(b'"code":null', b'"code":"model_not_found"')

    def add(name: str, number: str, outcome: Outcome, status: int, body: bytes, title: str, hint: str = "") -> None:
        fault(name, number, outcome, title=title)(partial(_status, status=status, body=body, hint=hint))

    for status in (500, 502, 503, 504):
        add(str(status), "H8", "text", status, server, f"A {status}")
    add("529", "H8", "text", 529, overloaded, "A 529: overloaded")
    add("429", "H9", "text", 429, limited, "A 429 without a hint")
    add("429_ra", "H9", "text", 429, limited, "A 429 with Retry-After in seconds", "seconds")
    add("429_ra_date", "H9", "text", 429, limited, "A 429 with Retry-After as a date", "date")
    add("429_ra_ms", "H9", "text", 429, limited, "A 429 with retry-after-ms", "ms")
    add("503_ra", "H9", "text", 503, server, "A 503 with Retry-After in seconds", "seconds")
    add("429_quota", "H10", "fatal", 429, quota, "A 429 that waiting does not cure: insufficient_quota")
    for status in (408, 409, 425):
        add(str(status), "H11", "text", status, conflict, f"A {status}")
    add("401", "H12", "fatal", 401, key, "A 401: wrong key")
    add("403", "H12", "fatal", 403, country, "A 403")
    add("400", "H13", "fatal", 400, length_code, "A 400: the context is too long")
    add("400_nocode", "H13", "fatal", 400, length, "A 400 whose body has no code")
    add("404", "H14", "fatal", 404, model_code, "A 404: no such model")
    add("404_nocode", "H14", "fatal", 404, model, "A 404 whose body has no code")


_register_statuses()


@fault("html200", "H15", "text")
async def _html200(reply: Reply) -> None:
    """A 200 that holds a gateway's HTML page."""
    page = b"<!doctype html><title>Sign in</title><h1>502 Bad Gateway</h1>\n"
    await reply.status(200, page, {"content-type": "text/html; charset=utf-8"})


@fault("json200", "H16", "text")
async def _json200(reply: Reply) -> None:
    """A 200 that holds a JSON error (overloaded) instead of a stream."""
    await reply.status(200, error_body("Overloaded", "overloaded_error"))


@fault("redirect_loop", "H17", "fatal")
async def _redirect_loop(reply: Reply) -> None:
    """Redirects (307) that never end; the hops are no attempts."""
    host = reply.fault.location.rstrip("/").removesuffix("/v1")
    await reply.status(307, b"", {"location": host + REDIRECTED})


@fault("idle_close", "H18", "ok")
async def _idle_close(reply: Reply) -> None:
    """A whole answer, and then the server closes the idle connection."""
    await reply.rest()
    reply.connection.close()


@fault("reuse_close", "H18", "ok")
async def _reuse_close(reply: Reply) -> None:
    """A whole answer; the next request on this connection is dropped unanswered, and is no attempt."""
    reply.connection.doomed = True
    await reply.rest()
