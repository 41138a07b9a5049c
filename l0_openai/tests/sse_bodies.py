"""Bodies of streams, whole and odd: every field, every shape that servers have been seen to send, every framing."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

Payload = dict[str, Any]


def payload(*choices: Payload, **fields: Any) -> Payload:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1731960000, "model": "gpt-4o"}
    return {**base, "choices": list(choices), **fields}


def choice(delta: Any, **fields: Any) -> Payload:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **fields}


def said(text: Any, **fields: Any) -> Payload:
    return payload(choice({"content": text}, **fields))


def line(value: Any) -> bytes:
    """An event of one line: JSON of a value, or bytes as they are."""
    written = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"data: " + written + b"\n\n"


ROLE = line(payload(choice({"role": "assistant", "content": "", "refusal": None})))
FIRST, SECOND = line(said("Grüße ")), line(said("aus \U0001f30d"))
STOP = line(payload(choice({}, finish_reason="stop")))
COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
USAGE = line(payload(usage=COUNTS))
DONE = b"data: [DONE]\n\n"
WHOLE = [ROLE, FIRST, SECOND, STOP, USAGE, DONE]
UMLAUT = b'data: {"choices": [{"index": 0, "delta": {"content": "\xc3\xbc"}}]}\n\n'
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "pay", "arguments": ""}}
PART = {"index": 0, "function": {"arguments": '{"amount": 1'}}
REST = {"index": 0, "function": {"arguments": "0}"}}

DELTAS: dict[str, Any] = {
    "null": None,
    "text": "x",
    "list": [],
    "number": 1,
    "empty": {},
    "content null": {"content": None},
    "content empty": {"content": ""},
    "content number": {"content": 5},
    "content true": {"content": True},
    "content object": {"content": {"text": "x"}},
    "content parts": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    "content texts": {"content": ["a", "b"]},
    "content empty list": {"content": []},
    "content and role": {"role": "assistant", "content": "x"},
    "role alone": {"role": "assistant"},
    "role null": {"role": None, "content": "x"},
    "role number": {"role": 5, "content": "x"},
    "escapes": {"content": '"\\/\b\f\n\r\t\u2028\x00\u00e9'},
    "pair": {"content": "\U0001f600"},
    "blanks": {"content": "  \n"},
    "long": {"content": "word " * 400},
    "looks like the end": {"content": "data: [DONE]\n\ndata: {}"},
    "refusal": {"refusal": "I cannot"},
    "refusal empty": {"content": "x", "refusal": ""},
    "refusal and content": {"content": "x", "refusal": "no"},
    "refusal number": {"refusal": 5},
    "reasoning": {"reasoning": "hm"},
    "reasoning content": {"reasoning_content": "hm"},
    "both reasonings": {"reasoning_content": "a", "reasoning": "b"},
    "reasoning and text": {"reasoning": "a", "content": "b"},
    "reasoning null": {"reasoning_content": None, "content": "x"},
    "reasoning object": {"reasoning": {"a": 1}},
    "reasoning details": {"content": "", "reasoning": None, "reasoning_details": [{"text": "x"}]},
    "unknown": {"content": "x", "unknown": "y"},
    "unknown null": {"content": "x", "unknown": None},
    "unknown nested": {"content": "x", "unknown": {"content": "y"}},
    "audio": {"audio": {"id": "a", "data": "AAAA"}},
    "call": {"tool_calls": [CALL]},
    "part": {"tool_calls": [PART]},
    "calls": {"tool_calls": [CALL, {**CALL, "index": 1}]},
    "call and text": {"content": "x", "tool_calls": [CALL]},
    "calls null": {"content": "x", "tool_calls": None},
    "calls empty": {"content": "x", "tool_calls": []},
    "calls object": {"tool_calls": {"0": CALL}},
    "call null": {"tool_calls": [None]},
    "call without function": {"tool_calls": [{"index": 0, "id": "a"}]},
    "call without index": {"tool_calls": [{"id": "a", "function": {"name": "pay", "arguments": "{}"}}]},
    "call of a number": {"tool_calls": [{**CALL, "function": {"name": 5, "arguments": {"a": 1}}}]},
    "function call": {"function_call": {"name": "pay", "arguments": "{}"}},
    "function call null": {"content": "x", "function_call": None},
    "function call of text": {"function_call": "pay"},
}

CHOICES: dict[str, Any] = {
    "index text": choice({"content": "x"}, index="0"),
    "index null": choice({"content": "x"}, index=None),
    "index float": choice({"content": "x"}, index=0.0),
    "index true": choice({"content": "x"}, index=True),
    "index false": choice({"content": "x"}, index=False),
    "index negative": choice({"content": "x"}, index=-1),
    "index one": choice({"content": "x"}, index=1),
    "index huge": choice({"content": "x"}, index=2**70),
    "no index": {"delta": {"content": "x"}, "finish_reason": None},
    "no delta": {"index": 0, "finish_reason": None},
    "no finish reason": {"index": 0, "delta": {"content": "x"}},
    "nothing": {},
    "message for delta": {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": None},
    "text for delta": {"index": 0, "text": "x", "finish_reason": None},
    "logprobs": choice({"content": "x"}, logprobs={"content": [{"token": "x", "logprob": -0.1}], "refusal": None}),
    "filter results": choice({"content": "x"}, content_filter_results={"hate": {"filtered": False}}),
    "finish in a list": choice({"content": "x"}, finish_reason=["stop"]),
    "finish number": choice({}, finish_reason=5),
    "finish false": choice({"content": "x"}, finish_reason=False),
    "finish empty": choice({"content": "x"}, finish_reason=""),
    "finish with text": choice({"content": "x"}, finish_reason="stop"),
    "finish length": choice({}, finish_reason="length"),
    "finish filter": choice({}, finish_reason="content_filter"),
    "finish calls": choice({}, finish_reason="tool_calls"),
    "finish unknown": choice({}, finish_reason="end_turn"),
    "finish null delta": choice(None, finish_reason="stop"),
    "finish and refusal": choice({"refusal": "no"}, finish_reason="stop"),
    "null": None,
    "text": "x",
    "list": [1],
}

PAYLOADS: dict[str, Any] = {
    "choices null": payload() | {"choices": None},
    "choices object": payload() | {"choices": {"0": choice({})}},
    "choices text": payload() | {"choices": "x"},
    "choices number": payload() | {"choices": 0},
    "no choices": {"id": "c", "object": "chat.completion.chunk"},
    "nothing": {},
    "azure": payload(prompt_filter_results=[{}]),
    "two choices": payload(choice({"content": "a"}), choice({"content": "b"}, index=1)),
    "two the same": payload(choice({"content": "a"}), choice({"content": "b"})),
    "error": {"error": {"message": "overloaded", "type": "server_error", "code": "overloaded"}},
    "error text": {"error": "overloaded"},
    "error list": {"error": ["a"]},
    "error number": {"error": 5},
    "error false": said("x") | {"error": False},
    "error null": said("x") | {"error": None},
    "error empty": said("x") | {"error": {}},
    "error without message": {"error": {"code": 500}},
    "error with a number": {"error": {"message": 5}},
    "error beside text": said("x") | {"error": {"message": "no"}},
    "other fields": {"event": "ping"},
    "message": {"message": "no"},
    "detail": {"detail": "not found"},
    "usage beside text": said("x") | {"usage": COUNTS},
    "usage null": said("x") | {"usage": None},
    "usage empty": said("x") | {"usage": {}},
    "usage text": said("x") | {"usage": "5"},
    "usage list": payload(usage=[1]),
    "usage floats": payload(usage={"prompt_tokens": 1.0, "completion_tokens": 2.5}),
    "usage texts": payload(usage={"prompt_tokens": "1", "completion_tokens": None}),
    "usage true": payload(usage={"prompt_tokens": True, "completion_tokens": 2**70}),
    "usage details": payload(usage={**COUNTS, "completion_tokens_details": {"reasoning_tokens": 1}, "cost": 0.1}),
    "obfuscated": said("x") | {"obfuscation": "abcd"},
    "no id": {"choices": [choice({"content": "x"})]},
    "list": [],
    "list of payloads": [said("x")],
    "text": "x",
    "number": 5,
    "null": None,
    "true": True,
}

X = json.dumps(said("x")).encode()
DATA: dict[str, bytes] = {
    "broken off": X[:-5],
    "trailing comma": X[:-1] + b",}",
    "trailing text": X + b" x",
    "two": X + X,
    "blanks": b"  " + X + b"  ",
    "tabs": X.replace(b", ", b",\t"),
    "no blanks": json.dumps(said("x"), separators=(",", ":")).encode(),
    "NaN": X[:-1] + b', "a": NaN}',
    "Infinity": X[:-1] + b', "a": -Infinity}',
    "1e999": X[:-1] + b', "a": 1e999}',
    "big number": X[:-1] + b', "a": 123456789012345678901234567890}',
    "twice": X[:-1] + b', "choices": []}',
    "twice within": X.replace(b'"content": "x"', b'"content": "y", "content": "x"'),
    "single quotes": X.replace(b'"', b"'"),
    "comment": X + b" // no",
    "lone surrogate": X.replace(b'"x"', b'"\\ud83d"'),
    "low surrogate": X.replace(b'"x"', b'"\\ude00a"'),
    "escaped pair": X.replace(b'"x"', b'"\\ud83d\\ude00"'),
    "surrogate bytes": X.replace(b'"x"', b'"\xed\xa0\xbd"'),
    "not UTF-8": X.replace(b'"x"', b'"\xff"'),
    "overlong": X.replace(b'"x"', b'"\xc0\xaf"'),
    "half a letter": X.replace(b'"x"', b'"\xc3"'),
    "control": X.replace(b'"x"', b'"a\x01b"'),
    "delete": X.replace(b'"x"', b'"\x7f"'),
    "null byte": X.replace(b'"x"', b'"\x00"'),
    "line separator": X.replace(b'"x"', '"a\u2028b\x85"'.encode()),
    "form feed": X.replace(b'"x"', b'"a\x0cb"'),
    "BOM": b"\xef\xbb\xbf" + X,
    "bad escape": X.replace(b'"x"', b'"\\x41"'),
    "empty": b"",
    "blank": b" ",
    "brace": b"{",
    "word": b"overloaded",
    "html": b"<html>",
    "done with a blank": b" [DONE]",
    "done small": b"[done]",
    "done and more": b"[DONE] x",
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "key escaped": X.replace(b'"content"', b'"c\\u006fntent"'),
    "long number": X.replace(b'"index": 0', b'"index": 00'),
    "exponent": X.replace(b'"index": 0', b'"index": 0e0'),
    "minus zero": X.replace(b'"index": 0', b'"index": -0'),
}

FRAMES: dict[str, bytes] = {
    "comment": b": ping\n\n",
    "comments": b": a\n: b\n\n",
    "comment before": b": ping\ndata: " + X + b"\n\n",
    "comment between": b"data: " + X + b"\n: ping\n\n",
    "id": b"id: 7\ndata: " + X + b"\n\n",
    "id alone": b"id: 7\n\n",
    "retry alone": b"retry: 100\n\n",
    "retry": b"retry: 100\ndata: " + X + b"\n\n",
    "retry text": b"retry: soon\n\n",
    "id with null": b"id: a\x00b\ndata: " + X + b"\n\n",
    "id and then a comment": b"id: 7\ndata: " + X + b"\n\n: ping\n\n",
    "message": b"event: message\ndata: " + X + b"\n\n",
    "event after": b"data: " + X + b"\nevent: message\n\n",
    "error": b'event: error\ndata: {"error": {"message": "no", "type": "server_error"}}\n\n',
    "error in words": b"event: error\ndata: upstream connect error\n\n",
    "event alone": b"event: ping\n\n",
    "ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "thread": b'event: thread.created\ndata: {"id": "t"}\n\n',
    "thread error": b'event: error\ndata: {"error": "no"}\n\n',
    "no space": b"data:" + X + b"\n\n",
    "two spaces": b"data:  " + X + b"\n\n",
    "tab": b"data:\t" + X + b"\n\n",
    "two lines": b"data: " + X[:20] + b"\ndata: " + X[20:] + b"\n\n",
    "lines": b"data: " + json.dumps(said("x"), indent=1).replace("\n", "\ndata: ").encode() + b"\n\n",
    "broken over lines": b"data: " + X[:21] + b"\n" + X[21:] + b"\n\n",
    "no colon": b"data\n\n",
    "field": b"foo: bar\n\n",
    "field beside": b"foo: bar\ndata: " + X + b"\n\n",
    "blank lines": b"\n\n\ndata: " + X + b"\n\n\n\n",
    "one feed": b"\n",
    "space before": b" data: " + X + b"\n\n",
    "capitals": b"DATA: " + X + b"\n\n",
    "CRLF": b"data: " + X + b"\r\n\r\n",
    "CR": b"data: " + X + b"\r\r",
    "CRLF and LF": b"data: " + X + b"\r\n\n",
    "LF and CRLF": b"data: " + X + b"\n\r\n",
    "LF and CR": b"data: " + X + b"\n\r",
    "CR in JSON": b"data: " + X[:21] + b"\r" + X[21:] + b"\n\n",
    "CR alone": b"\r",
    "CRs": b"\r\r\r\n\n",
    "CRLF blank lines": b"\r\n\r\n\r\ndata: " + X + b"\r\n\r\n",
    "CRLF comment": b": a\r\n\r\n",
    "BOM": b"\xef\xbb\xbfdata: " + X + b"\n\n",
    "done without space": b"data:[DONE]\n\n",
    "done and an event": b"event: done\ndata: [DONE]\n\n",
    "done over lines": b"data: [DONE]\ndata: x\n\n",
    "done after a comment": b": x\ndata: [DONE]\n\n",
    "done": DONE,
    "unicode comment": ": ü\U0001f30d\n\n".encode(),
    "bad comment": b": \xff\n\n",
    "bad field": b"\xff\xfe: a\n\n",
    "bad id": b"id: \xff\n\n",
    "NEL": b"data: " + X + b"\xc2\x85\n\n",
    "vertical tab": b"data: " + X + b"\x0b\n\n",
}

THOUGHT = line(payload(choice({"reasoning_content": "hm "})))
CALLED = line(payload(choice({}, finish_reason="tool_calls")))
OTHER_STOP = line(payload(choice({}, finish_reason="stop", index=1)))


def of(index: int, text: str) -> bytes:
    return line(payload(choice({"content": text}, index=index)))


ENDS: dict[str, bytes] = {
    "nothing": b"",
    "only the end": DONE,
    "only comments": b": a\n\n: b\n\n",
    "no end": ROLE + FIRST + SECOND,
    "no reason": ROLE + FIRST + DONE,
    "no announcement": ROLE + FIRST + STOP,
    "no blank line": ROLE + FIRST + STOP[:-1],
    "no line end": ROLE + FIRST + STOP[:-2],
    "in the middle": (ROLE + FIRST + SECOND)[:-9],
    "in a letter": (ROLE + UMLAUT)[: -len(UMLAUT.partition(b"\xbc")[2]) - 1],
    "half a letter": ROLE + FIRST + b'data: {"choices":[{"index":0,"delta":{"content":"\xc3',
    "after a field": ROLE + FIRST + b"data",
    "after done": b"".join(WHOLE) + b"<html>\xff",
    "after done, JSON": b"".join(WHOLE) + FIRST + STOP,
    "done twice": b"".join(WHOLE) + DONE,
    "done first": DONE + b"".join(WHOLE),
    "done unterminated": ROLE + FIRST + STOP + b"data: [DONE]",
    "done, one feed": ROLE + FIRST + STOP + b"data: [DONE]\n",
    "finished twice": ROLE + FIRST + STOP + STOP + DONE,
    "text after the reason": ROLE + FIRST + STOP + SECOND + DONE,
    "usage twice": b"".join([ROLE, FIRST, STOP, USAGE, line(payload(usage={**COUNTS, "completion_tokens": 9})), DONE]),
    "usage first": USAGE + b"".join(WHOLE),
    "no role": FIRST + SECOND + STOP + DONE,
    "a bare carriage return": ROLE + FIRST + STOP + b"data: [DONE]\r",
    "a call": b"".join(
        [ROLE, *(line(payload(choice({"tool_calls": [part]}))) for part in (CALL, PART, REST)), CALLED, DONE]
    ),
    "two choices": b"".join([of(0, "a"), of(1, "b"), of(0, "c"), OTHER_STOP, STOP, DONE]),
    "reasoned": ROLE + THOUGHT + THOUGHT + FIRST + STOP + DONE,
    "CRLF": b"".join(WHOLE).replace(b"\n", b"\r\n"),
    "CR": b"".join(WHOLE).replace(b"\n", b"\r"),
    "ids": b"".join(b"id: %d\n" % at + event for at, event in enumerate(WHOLE)),
    "plain text": b"upstream connect error",
    "a page": b"<html><body>502 Bad Gateway</body></html>\n\n",
    "JSON alone": json.dumps({"error": {"message": "no"}}).encode(),
    "unescaped": b"".join(
        event.decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16").encode() for event in WHOLE
    ),
}

ODD: dict[str, bytes] = {
    **{f"delta: {name}": line(payload(choice(delta))) for name, delta in DELTAS.items()},
    **{f"choice: {name}": line(payload(found)) for name, found in CHOICES.items()},
    **{f"payload: {name}": line(found) for name, found in PAYLOADS.items()},
    **{f"data: {name}": b"data: " + data + b"\n\n" for name, data in DATA.items()},
    **{f"frame: {name}": frame for name, frame in FRAMES.items()},
}
PLACES = {"first": 0, "in the middle": 2, "after the reason": 4}

BODIES: dict[str, bytes] = {
    "whole": b"".join(WHOLE),
    **{f"end: {name}": body for name, body in ENDS.items()},
    **{
        f"{name}, {place}": b"".join([*WHOLE[:at], odd, *WHOLE[at:]])
        for (name, odd), (place, at) in itertools.product(ODD.items(), PLACES.items())
    },
}


def random_body(seed: int) -> bytes:
    """Events of every kind in any order, some of them cut, doubled, or with other line ends."""
    chance = random.Random(seed)
    parts = [
        chance.choice(list(ODD.values()) if chance.random() < 0.4 else WHOLE[:5]) for _ in range(chance.randint(1, 6))
    ]
    body = b"".join([ROLE, *parts, DONE])
    if chance.random() < 0.2:
        body = body.replace(b"\n", chance.choice([b"\r\n", b"\r"]))
    if chance.random() < 0.2:
        body = body[: chance.randrange(len(body))]
    if chance.random() < 0.1:
        at = chance.randrange(len(body) + 1)
        body = body[:at] + bytes([chance.randrange(256)]) + body[at:]
    return body
