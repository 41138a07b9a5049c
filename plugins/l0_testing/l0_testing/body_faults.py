"""Faults of the body and its server-sent events, after a 200."""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache

from l0_testing.kinds import fault
from l0_testing.wire import Reply, error_body


@fault("rst_mid", "S1", "text")
async def _rst_mid(reply: Reply) -> None:
    """The connection is reset in the middle of the body."""
    await reply.until(reply.fault.at)
    await reply.reset()


@fault("fin_mid", "S2", "text")
async def _fin_mid(reply: Reply) -> None:
    """The connection is closed in the middle of a chunked body."""
    await reply.until(reply.fault.at)
    await reply.close()


@fault("eof_close_delim", "S3", "text")
async def _eof_close_delim(reply: Reply) -> None:
    """The text is cut where a body without any length ends: nothing raises."""
    await reply.head(framing="close")
    await reply.until(reply.fault.at)
    await reply.end()


@fault("trunc_clean", "S4", "text")
async def _trunc_clean(reply: Reply) -> None:
    """The body ends properly, the text is cut: no finish reason, no [DONE]."""
    await reply.until(reply.fault.at)
    await reply.end()


@fault("trunc_done", "S5", "text", events_only=True)
async def _trunc_done(reply: Reply) -> None:
    """The text is cut and [DONE] follows, without a finish reason."""
    await reply.until(reply.fault.at)
    await reply.write(reply.frame(b"[DONE]"), last=True)


@fault("nodone_ok", "S6", "ok", events_only=True)
async def _nodone_ok(reply: Reply) -> None:
    """The whole text and its finish reason, no [DONE]."""
    await reply.until_done()
    await reply.end()


@fault("no_trailing_blank", "S7", "text")
async def _no_trailing_blank(reply: Reply) -> None:
    """The body ends after an event that lacks its blank line."""
    await reply.until(reply.fault.at)
    piece = reply.next_piece()
    await reply.piece(piece, data=reply.frame(piece.data).rstrip(b"\n"), last=True)


@fault("shortlen", "S8", "text")
async def _shortlen(reply: Reply) -> None:
    """The connection is closed before Content-Length is reached."""
    promised = sum(len(reply.frame(piece.data)) for piece in reply.pieces)
    await reply.head(framing="length", headers={"content-length": str(promised)})
    await reply.until(reply.fault.at)
    await reply.close()


@fault("badchunk", "S9", "text")
async def _badchunk(reply: Reply) -> None:
    """A chunk's size is garbage."""
    await reply.until(reply.fault.at)
    await reply.raw(b"size?\r\n")
    reply.connection.close()


async def _error(reply: Reply, data: bytes) -> None:
    await reply.until(reply.fault.at)
    await reply.write(data, last=True)


_OVERLOADED = error_body("Overloaded", "overloaded_error")
_REFUSED = error_body("Invalid request", "invalid_request_error", "invalid_request")


@fault("err_data", "S10", "text", events_only=True)
async def _err_data(reply: Reply) -> None:
    """An error object (overloaded) among the events."""
    await _error(reply, reply.frame(_OVERLOADED))


@fault("err_data_fatal", "S10", "fatal", events_only=True)
async def _err_data_fatal(reply: Reply) -> None:
    """An error object (invalid request) among the events."""
    await _error(reply, reply.frame(_REFUSED))


@fault("err_event", "S11", "text", events_only=True)
async def _err_event(reply: Reply) -> None:
    """`event: error` with an error object (overloaded)."""
    await _error(reply, b"event: error\n" + reply.frame(_OVERLOADED))


@fault("err_event_notok", "S12", "text", events_only=True)
async def _err_event_notok(reply: Reply) -> None:
    """`event: error` with plain text."""
    await _error(reply, b"event: error\n" + reply.frame(b"upstream connect error or disconnect/reset before headers"))


@fault("badjson", "S13", "text", events_only=True)
async def _badjson(reply: Reply) -> None:
    """One event's JSON is cut; the rest is healthy."""
    await reply.until(reply.fault.at)
    piece = reply.next_piece()
    await reply.piece(piece, data=reply.frame(piece.data[: len(piece.data) // 2]))
    await reply.rest()


@fault("badutf8", "S14", "text")
async def _badutf8(reply: Reply) -> None:
    """One event holds bytes that are no UTF-8; the rest is healthy."""
    await reply.until(reply.fault.at)
    piece = reply.next_piece()
    half = len(piece.data) // 2
    await reply.piece(piece, data=reply.frame(piece.data[:half] + b"\xff\xfe" + piece.data[half:]))
    await reply.rest()


@fault("utf8_split", "S15", "ok")
async def _utf8_split(reply: Reply) -> None:
    """Every byte is a chunk and a packet of its own."""
    reply.split = 1
    await reply.rest()


@fault("crlf", "S16", "ok", events_only=True)
async def _crlf(reply: Reply) -> None:
    """Lines end in CR LF."""
    reply.frame = lambda payload: b"data: " + payload + b"\r\n\r\n"
    await reply.rest()


@fault("cr", "S16", "ok", events_only=True)
async def _cr(reply: Reply) -> None:
    """Lines end in CR alone."""
    reply.frame = lambda payload: b"data: " + payload + b"\r\r"
    await reply.rest()


@fault("bom_comments", "S16", "ok", events_only=True)
async def _bom_comments(reply: Reply) -> None:
    """A byte order mark, comments, and data spread over several lines."""
    reply.frame = lambda payload: b": note\ndata: " + payload.replace(b"{", b"{\ndata:", 1) + b"\n\n: ping\n\n"
    await reply.write(b"\xef\xbb\xbf")
    await reply.rest()


@fault("meta_only", "S17", "text", events_only=True)
async def _meta_only(reply: Reply) -> None:
    """Events without data: only `retry:`, only `id:`, an empty `data:`."""
    await reply.until(reply.fault.at)
    await reply.write(b"retry: 1000\n\nid: 7\n\ndata:\n\n")
    await reply.rest()


@fault("stall_mid", "S18", "text")
async def _stall_mid(reply: Reply) -> None:
    """The stream falls silent in the middle."""
    await reply.until(reply.fault.at)
    await reply.forever()


async def _repeat(reply: Reply, data: bytes) -> None:
    await reply.until(reply.fault.at)
    await reply.flush()
    reply.held = None
    while True:
        await reply.write(data)
        await reply.pause(reply.fault.seconds)


@fault("keepalive_stall", "S19", "text", events_only=True)
async def _keepalive_stall(reply: Reply) -> None:
    """Pings for ever, and never another token."""
    await _repeat(reply, b": ping\n\n")


@fault("empty_delta_stall", "S20", "text", events_only=True)
async def _empty_delta_stall(reply: Reply) -> None:
    """Empty deltas for ever, and never another token."""
    await _repeat(reply, reply.frame(reply.answer.delta({"content": ""})))


@fault("trickle", "S21", "ok")
async def _trickle(reply: Reply) -> None:
    """Tokens come slowly, one each `seconds`, for as long as there are any."""
    await reply.until(reply.fault.at)
    for piece in reply.take(len(reply.pieces)):
        await reply.pause(reply.fault.seconds)
        await reply.piece(piece)
    await reply.rest()


@fault("stall_after_text", "S22", "ok")
async def _stall_after_text(reply: Reply) -> None:
    """The whole text and its finish reason, then silence."""
    await reply.through_finish()
    await reply.forever()


@fault("stall_after_done", "S23", "ok")
async def _stall_after_done(reply: Reply) -> None:
    """Everything including [DONE], then the body stays open."""
    await reply.until_done()
    if reply.streaming:
        await reply.event(b"[DONE]")
    await reply.forever()


@fault("after_done", "S24", "ok", events_only=True)
async def _after_done(reply: Reply) -> None:
    """More text after [DONE]."""
    await reply.until_done()
    await reply.event(b"[DONE]")
    await reply.write(reply.frame(reply.answer.delta({"content": "This was never said."})), last=True)


@fault("coalesced", "S25", "ok")
async def _coalesced(reply: Reply) -> None:
    """The whole body comes in one burst."""
    reply.held = bytearray()
    await reply.rest()


@fault("dup_chunk", "S26", "altered", events_only=True)
async def _dup_chunk(reply: Reply) -> None:
    """One event comes twice."""
    await reply.until(reply.fault.at)
    piece = reply.next_piece()
    await reply.piece(piece)
    if piece.kind == "token":
        await reply.piece(piece)
    await reply.rest()


@fault("huge", "S28", "altered", events_only=True)
async def _huge(reply: Reply) -> None:
    """One more delta, of 8 MB."""
    await reply.until(reply.fault.at)
    text = "x" * (8 << 20 if reply.fault.size is None else reply.fault.size)
    reply.log.sent.append(text)
    await reply.text(text)
    await reply.rest()


@fault("flood", "S29", "fatal", events_only=True)
async def _flood(reply: Reply) -> None:
    """Text without end: 48 MB of it."""
    await reply.until(reply.fault.at)
    text = "flood " * 2730
    left = 48 << 20 if reply.fault.size is None else reply.fault.size
    while left > 0:
        await reply.text(text[:left])
        left -= len(text)
    await reply.end()


@fault("badgzip", "S30", "text")
async def _badgzip(reply: Reply) -> None:
    """The gzip encoding of the body is corrupt."""
    await reply.head(headers={"content-encoding": "gzip"})
    packer = zlib.compressobj(wbits=31)
    for piece in reply.take(reply.fault.at):
        await reply.piece(piece, data=packer.compress(reply.frame(piece.data)) + packer.flush(zlib.Z_SYNC_FLUSH))
    await reply.write(b"\xff" * 64, last=True)


@fault("gzipbomb", "S31", "ok", events_only=True)
async def _gzipbomb(reply: Reply) -> None:
    """A client that accepts gzip gets 200 MB of text in 200 KB; another, a healthy answer."""
    if "gzip" in reply.request.headers.get("accept-encoding", ""):
        await reply.head(headers={"content-encoding": "gzip"})
        before, after = reply.frame(reply.answer.delta({"content": "|"})).split(b"|")
        size = 200 << 20 if reply.fault.size is None else reply.fault.size
        await reply.write(await asyncio.to_thread(_bomb, before, size, after), last=True)
    else:
        await reply.rest()


@lru_cache(maxsize=1)
def _bomb(before: bytes, size: int, after: bytes) -> bytes:
    # A block that ends on a byte boundary and refers to nothing before it is compressed once, and repeated.
    packer = zlib.compressobj(9, wbits=-15)

    def block(data: bytes) -> bytes:
        return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)

    unit = b"x" * (1 << 20)
    count, remainder = divmod(size, len(unit))
    first, repeated, last = block(before), block(unit), block(unit[:remainder])
    body = first + repeated * count + last + packer.compress(after) + packer.flush()
    check = zlib.crc32(before)
    for _ in range(count):
        check = zlib.crc32(unit, check)
    check = zlib.crc32(after, zlib.crc32(unit[:remainder], check))
    length = (len(before) + size + len(after)) & 0xFFFFFFFF
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + body + check.to_bytes(4, "little") + length.to_bytes(4, "little")
