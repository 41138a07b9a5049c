"""Of what kind an error is: by type, status and body, by its causes; by its message only where nothing else speaks."""

from __future__ import annotations

import builtins
import errno
import json
import socket
import ssl
from types import SimpleNamespace
from typing import Any

import l0
import pytest
from l0 import ErrorCategory as C
from l0 import ErrorCode


def answer(
    status: int | None = None, code: str | None = None, kind: str | None = None, message: str = "x"
) -> Exception:
    """An error as an SDK makes it of an answer."""
    error = RuntimeError(message)
    if status is not None:
        error.status_code = status  # type: ignore[attr-defined]
    error.body = {"code": code, "type": kind, "message": message}  # type: ignore[attr-defined]
    return error


def of_library(module: str, name: str, base: type[Exception] = Exception) -> Exception:
    return type(name, (base,), {"__module__": module})("")  # type: ignore[no-any-return]


def caused_by(cause: BaseException, error: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "category"),
    [
        # By status.
        *[(answer(status), C.TRANSIENT) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)],
        *[(answer(status), C.FATAL) for status in (400, 401, 403, 404, 405, 413, 422)],
        (answer(429, "insufficient_quota"), C.FATAL),
        (answer(429, "rate_limit_exceeded"), C.TRANSIENT),
        (answer(400, "context_length_exceeded"), C.FATAL),
        (answer(500, "insufficient_quota"), C.TRANSIENT),
        *[(answer(status), C.FATAL) for status in (301, 302, 307)],
        # By body, sent inside a stream.
        (answer(None, None, "overloaded_error"), C.TRANSIENT),
        (answer(None, "server_error"), C.TRANSIENT),
        (answer(None, "context_length_exceeded", "invalid_request_error"), C.FATAL),
        (answer(None, None, "authentication_error"), C.FATAL),
        # A status in the place of a code.
        (answer(None, "429"), C.TRANSIENT),
        (answer(None, "502"), C.TRANSIENT),
        (answer(None, "402"), C.FATAL),
        (answer(503, "402"), C.TRANSIENT),
        # By type, of libraries that are not imported.
        *[(of_library("httpx", n), C.NETWORK) for n in ("ReadError", "ConnectError", "RemoteProtocolError")],
        *[(of_library("httpx2", n), C.TRANSIENT) for n in ("ReadTimeout", "PoolTimeout", "ConnectTimeout")],
        (of_library("httpx", "DecodingError"), C.NETWORK),
        (of_library("openai", "APIConnectionError"), C.NETWORK),
        (of_library("openai", "APITimeoutError"), C.TRANSIENT),
        (of_library("openai", "APIError"), C.TRANSIENT),
        (of_library("aiohttp.client_exceptions", "ServerDisconnectedError"), C.NETWORK),
        (of_library("httpx", "TooManyRedirects"), C.FATAL),
        (of_library("httpx", "UnsupportedProtocol"), C.FATAL),
        *[(of_library("httpx2", n), C.INTERNAL) for n in ("StreamConsumed", "ResponseNotRead", "CookieConflict")],
        (of_library("http.client", "IncompleteRead"), C.NETWORK),
        (of_library("openai", "OpenAIError"), C.FATAL),
        (caused_by(of_library("httpx", "ReadError"), of_library("openai", "OpenAIError")), C.NETWORK),
        # Builtin.
        (ConnectionResetError(), C.NETWORK),
        (BrokenPipeError(), C.NETWORK),
        (socket.gaierror(-2, "Name or service not known"), C.NETWORK),
        (OSError(errno.ENETUNREACH, "x"), C.NETWORK),
        (OSError(errno.EMFILE, "x"), C.NETWORK),
        (FileNotFoundError(errno.ENOENT, "x"), C.INTERNAL),
        (EOFError(), C.NETWORK),
        (builtins.TimeoutError(), C.TRANSIENT),
        (json.JSONDecodeError("x", "y", 0), C.NETWORK),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), C.NETWORK),
        (ssl.SSLError(1, "EOF occurred"), C.NETWORK),
        (ssl.SSLCertVerificationError(1, "self-signed"), C.FATAL),
        *[(kind("x"), C.INTERNAL) for kind in (TypeError, KeyError, AttributeError, AssertionError, ZeroDivisionError)],
        # By cause.
        (caused_by(ConnectionResetError(), RuntimeError("stream broke")), C.NETWORK),
        (caused_by(ssl.SSLCertVerificationError(1, "x"), of_library("openai", "APIConnectionError")), C.FATAL),
        (caused_by(of_library("httpx", "TooManyRedirects"), of_library("openai", "APIConnectionError")), C.FATAL),
        (ExceptionGroup("unhandled errors in a TaskGroup", [ValueError(), ConnectionResetError()]), C.NETWORK),
        (caused_by(ExceptionGroup("x", [ssl.SSLCertVerificationError(1, "x")]), OSError("x")), C.FATAL),
        # By message, where nothing else speaks.
        (Exception("Connection reset by peer"), C.NETWORK),
        (Exception("request timed out"), C.TRANSIENT),
        (Exception("Rate limit reached"), C.TRANSIENT),
        (Exception("certificate verify failed: self-signed certificate"), C.FATAL),
        (Exception("assessment failed"), C.MODEL),
        (Exception("concert not found"), C.MODEL),
        (answer(401, message="Unauthorized: connection closed"), C.FATAL),
        (answer(400, message="timeout must be < 600"), C.FATAL),
        (Exception(""), C.MODEL),
        # Ours.
        (l0.TimeoutError("x", "initial_token", 1.0), C.TRANSIENT),
        (l0.Truncated("x"), C.NETWORK),
        (l0.ZeroOutput(), C.CONTENT),
        (l0.OutputLimitExceeded("x"), C.FATAL),
        (l0.AdapterNotFound("x"), C.INTERNAL),
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_categories(error: BaseException, category: C) -> None:
    assert l0.categorize_error(error) is category
    assert l0.is_retryable(error) is (category not in (C.FATAL, C.INTERNAL))


def test_a_status_given_as_text_is_understood() -> None:
    error = Exception("no")
    error.status = "401"  # type: ignore[attr-defined]
    assert l0.categorize_error(error) is C.FATAL
    nested = Exception("no")
    nested.response = SimpleNamespace(status_code=503)  # type: ignore[attr-defined]
    assert l0.categorize_error(nested) is C.TRANSIENT


def test_what_httpcore_hides_is_found() -> None:
    hidden = of_library("httpcore2", "ConnectError")
    hidden.__context__, hidden.__suppress_context__ = ssl.SSLCertVerificationError(1, "x"), True
    error = caused_by(caused_by(hidden, of_library("httpx2", "ConnectError")), of_library("openai", "APIError"))
    assert l0.categorize_error(error) is C.FATAL
    told = RuntimeError("x")
    told.__context__, told.__suppress_context__ = ConnectionResetError(), True
    assert l0.categorize_error(told) is C.MODEL


def test_a_status_that_litellm_makes_up_tells_less_than_what_its_error_was_made_of() -> None:
    def made_of(cause: BaseException, name: str = "APIError") -> BaseException:
        error = of_library("litellm.exceptions", name)
        error.status_code = 500  # type: ignore[attr-defined]
        return caused_by(cause, error)

    assert l0.categorize_error(made_of(answer(None, "context_length_exceeded"))) is C.FATAL
    assert l0.categorize_error(made_of(ConnectionResetError())) is C.NETWORK
    assert l0.categorize_error(made_of(answer(401))) is C.FATAL
    assert l0.categorize_error(made_of(RuntimeError("x"))) is C.TRANSIENT
    assert l0.categorize_error(made_of(RuntimeError("x"), "APIConnectionError")) is C.NETWORK
    assert l0.categorize_error(made_of(answer(None, "invalid_api_key"), "APIConnectionError")) is C.FATAL
    assert l0.categorize_error(caused_by(answer(401), answer(500))) is C.TRANSIENT

    envelope = of_library("litellm.exceptions", "MidStreamFallbackError")
    envelope.status_code = 503  # type: ignore[attr-defined]
    envelope.original_exception = made_of(RuntimeError("x"), "APIConnectionError")  # type: ignore[attr-defined]
    assert l0.categorize_error(envelope) is C.NETWORK


def test_a_circle_of_causes_ends() -> None:
    a, b = RuntimeError("a"), RuntimeError("b")
    a.__context__, b.__context__ = b, a
    assert l0.categorize_error(a) is C.MODEL


def test_an_error_says_where_the_stream_stood() -> None:
    context = l0.ErrorContext(
        ErrorCode.ZERO_OUTPUT, checkpoint="abc", token_count=3, model_retry_count=1, fallback_index=1
    )
    error = l0.Error("nothing came", context)
    assert error.to_detailed_string() == "nothing came | Tokens: 3 | Retries: 1 | Fallback: 1 | Checkpoint: 3 chars"
    assert repr(error) == "Error(code='ZERO_OUTPUT', message='nothing came')"
    assert (error.category, error.has_checkpoint, error.get_checkpoint()) == (C.CONTENT, True, "abc")
    packed: dict[str, Any] = error.to_json()
    assert (packed["code"], packed["hasCheckpoint"], packed["tokenCount"]) == ("ZERO_OUTPUT", True, 3)
    assert json.dumps(packed)
    assert l0.Error.is_l0_error(error)
    assert not l0.is_error(ValueError())


def test_every_code_has_a_category() -> None:
    for code in ErrorCode:
        assert l0.Error.get_category(code) in C


def test_an_error_says_no_more_of_where_the_stream_stood_than_is_known() -> None:
    assert l0.Error("broken", ErrorCode.INVALID_STREAM).to_detailed_string() == "broken"
    known = l0.ErrorContext(ErrorCode.NETWORK_ERROR, network_retry_count=2)
    assert l0.Error("broken", known).to_detailed_string() == "broken | Retries: 2"


def test_an_error_class_tells_what_kind_of_error_another_is() -> None:
    assert l0.Error.categorize(answer(429)) is C.TRANSIENT
    assert l0.Error.is_retryable(answer(429))
    assert not l0.Error.is_retryable(answer(401))
    error = l0.StoreError("the disk is full")
    assert error.code is ErrorCode.STORE
    assert l0.Error.is_error(error)
    assert not error.is_recoverable
    assert l0.Error("x", l0.ErrorContext(ErrorCode.INVALID_STREAM, checkpoint="abc")).is_recoverable
