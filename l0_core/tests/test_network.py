"""What kind of network error an error is: by its type and causes, by its message only where no type speaks."""

from __future__ import annotations

import asyncio
import builtins
import errno
import http.client
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import l0
import pytest
from l0_core.delays import ERROR_TYPE_DELAY_DEFAULTS, ErrorTypeDelays
from l0_core.errors import ErrorCategory, ErrorCode
from l0_core.network import NetworkError, NetworkErrorAnalysis
from l0_core.network import NetworkErrorType as T

from l0_core import network


def of_library(module: str, name: str, message: str = "", *bases: type[BaseException]) -> Exception:
    return type(name, bases or (Exception,), {"__module__": module})(message)  # type: ignore[no-any-return]


def answer(status: int, message: str) -> Exception:
    return with_status(status, Exception(message))


def httpx(name: str, message: str) -> Exception:
    return of_library("httpx", name, message)


def with_status(status: int, error: Exception) -> Exception:
    error.status_code = status  # type: ignore[attr-defined]
    return error


AiohttpError = type("ClientConnectionError", (Exception,), {"__module__": "aiohttp.client_exceptions"})
SdkTimeout = type("APITimeoutError", (Exception,), {"__module__": "openai"})


def caused(*chain: BaseException) -> BaseException:
    """The first error, caused by the second, and so on."""
    for error, cause in itertools.pairwise(chain):
        error.__cause__ = cause
    return chain[0]


def during(context: BaseException, error: BaseException) -> BaseException:
    error.__context__ = context
    return error


def hidden(context: BaseException) -> BaseException:
    """An error as httpcore raises it: what it was made of is left in a context that is suppressed."""
    error = during(context, of_library("httpcore", "ConnectError", "All connection attempts failed"))
    error.__suppress_context__ = True
    return error


def connection_error(*causes: BaseException) -> BaseException:
    return caused(of_library("openai", "APIConnectionError", "Connection error."), *causes)


PEER_CLOSED = "peer closed connection without sending complete message body (incomplete chunked read)"
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
UNVERIFIED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
NOT_READY = ssl.SSLWantReadError(2, "The operation did not complete (read)")

BY_TYPE: list[tuple[BaseException, T]] = [
    # The operating system.
    (ConnectionResetError(), T.ECONNRESET),
    (OSError(errno.ECONNRESET, "x"), T.ECONNRESET),
    (of_library("aiohttp", "ClientOSError", "x", AiohttpError, OSError), T.CONNECTION_DROPPED),
    (type("ClientOSError", (AiohttpError, OSError), {"__module__": "aiohttp"})(errno.ECONNRESET, "x"), T.ECONNRESET),
    (http.client.IncompleteRead(b"abc"), T.PARTIAL_CHUNKS),
    (http.client.RemoteDisconnected("Remote end closed connection without response"), T.NO_BYTES),
    (ConnectionRefusedError(), T.ECONNREFUSED),
    (BrokenPipeError(), T.CONNECTION_DROPPED),
    (ConnectionAbortedError(), T.CONNECTION_DROPPED),
    (OSError(errno.ENETUNREACH, "x"), T.CONNECTION_DROPPED),
    (OSError(errno.EHOSTUNREACH, "x"), T.CONNECTION_DROPPED),
    (OSError(errno.EMFILE, "Too many open files"), T.FETCH_ERROR),
    (socket.gaierror(-2, "Name or service not known"), T.DNS_ERROR),
    (socket.herror(1, "x"), T.DNS_ERROR),
    (builtins.TimeoutError(), T.TIMEOUT),
    (OSError(errno.ETIMEDOUT, "x"), T.TIMEOUT),
    (TimeoutError(), T.TIMEOUT),
    (EOFError(), T.CONNECTION_DROPPED),
    (asyncio.IncompleteReadError(b"da", 5), T.PARTIAL_CHUNKS),
    # TLS: what another attempt does not mend, and what is a dropped connection in other words.
    (UNVERIFIED, T.SSL_ERROR),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"), T.SSL_ERROR),
    (ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error"), T.SSL_ERROR),
    (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:997)"), T.CONNECTION_DROPPED),
    (ssl.SSLZeroReturnError(6, "TLS/SSL connection has been closed (EOF)"), T.CONNECTION_DROPPED),
    (ssl.SSLError(1, "[SSL] EOF occurred in violation of protocol"), T.CONNECTION_DROPPED),
    (ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac"),
     T.CONNECTION_DROPPED),
    # Bytes that are not what was sent.
    (json.JSONDecodeError("Expecting value", "{", 1), T.PARTIAL_CHUNKS),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), T.PARTIAL_CHUNKS),
    # HTTP libraries, of which none is imported here.
    *[(of_library(stack, name), T.TIMEOUT) for stack in ("httpx", "httpx2", "httpcore")
      for name in ("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout")],
    *[(of_library(stack, name), T.CONNECTION_DROPPED) for stack in ("httpx", "httpx2")
      for name in ("ReadError", "WriteError", "CloseError")],
    (httpx("ReadError", ""), T.CONNECTION_DROPPED),
    (httpx("ConnectError", "All connection attempts failed"), T.FETCH_ERROR),
    (httpx("ConnectError", "[Errno -2] Name or service not known"), T.DNS_ERROR),
    (httpx("ProxyError", "407 Proxy Authentication Required"), T.FETCH_ERROR),
    (httpx("RemoteProtocolError", PEER_CLOSED), T.PARTIAL_CHUNKS),
    (httpx("RemoteProtocolError", "Server disconnected without sending a response."), T.NO_BYTES),
    (httpx("RemoteProtocolError", "<StreamReset stream_id:1, error_code:2>"), T.CONNECTION_DROPPED),
    (httpx("DecodingError", "Error -3 while decompressing data"), T.PARTIAL_CHUNKS),
    (httpx("NetworkError", ""), T.UNKNOWN),
    (of_library("httpx2", "SSEError", "Expected response with content type 'text/event-stream'",
                type("TransportError", (Exception,), {"__module__": "httpx2"})), T.SSE_ABORTED),
    (of_library("aiohttp.client_exceptions", "ServerDisconnectedError"), T.CONNECTION_DROPPED),
    (of_library("aiohttp.client_exceptions", "ClientPayloadError"), T.PARTIAL_CHUNKS),
    # SDKs.
    (of_library("openai", "APIConnectionError", "Connection error."), T.FETCH_ERROR),
    (of_library("openai", "APITimeoutError", "Request timed out."), T.TIMEOUT),
    # Ours.
    (l0.Truncated("no finish reason"), T.PARTIAL_CHUNKS),
    (l0.TimeoutError("x", "inter_token", 1.0), T.TIMEOUT),
    (l0.Error("x", ErrorCode.INITIAL_TOKEN_TIMEOUT), T.TIMEOUT),
    (l0.Error("x", ErrorCode.NETWORK_ERROR), T.UNKNOWN),
]  # fmt: skip

BY_CAUSE: list[tuple[BaseException, T]] = [
    (connection_error(REFUSED), T.ECONNREFUSED),
    (connection_error(httpx("ConnectError", "All connection attempts failed"), OSError("x"), REFUSED), T.ECONNREFUSED),
    (connection_error(httpx("ConnectError", "x"), socket.gaierror(-3, "x")), T.DNS_ERROR),
    (connection_error(httpx("ConnectError", "x"), UNVERIFIED), T.SSL_ERROR),
    (connection_error(httpx("RemoteProtocolError", PEER_CLOSED)), T.PARTIAL_CHUNKS),
    (connection_error(httpx("ReadError", "")), T.CONNECTION_DROPPED),
    (connection_error(httpx("NetworkError", "")), T.FETCH_ERROR),
    (caused(RuntimeError("the stream broke"), ConnectionResetError()), T.ECONNRESET),
    (connection_error(httpx("ConnectError", "x"), hidden(REFUSED)), T.ECONNREFUSED),
    (connection_error(httpx("ConnectError", "x"), hidden(UNVERIFIED)), T.SSL_ERROR),
    # A host with several addresses fails with a group.
    (caused(httpx("ConnectError", "x"), OSError("x"), ExceptionGroup("x", [REFUSED, REFUSED])), T.ECONNREFUSED),
    (ExceptionGroup("unhandled errors in a TaskGroup", [httpx("ReadTimeout", "")]), T.TIMEOUT),
    # What a TLS socket raises while it waits stands in the context of what happened then.
    (caused(httpx("ConnectTimeout", ""), during(NOT_READY, builtins.TimeoutError())), T.TIMEOUT),
    (during(NOT_READY, httpx("ReadError", "")), T.CONNECTION_DROPPED),
    # A library that makes up a status for what never had an answer.
    (with_status(500, of_library("litellm.exceptions", "APIConnectionError")), T.FETCH_ERROR),
    (with_status(408, of_library("litellm.exceptions", "Timeout", "", SdkTimeout)), T.TIMEOUT),
]  # fmt: skip

BY_MESSAGE: list[tuple[BaseException, T]] = [
    (Exception(message), kind)
    for kind, messages in {
        T.CONNECTION_DROPPED: "Connection dropped|connection was closed by the server|Connection lost|broken pipe|"
        "pipe broken|socket error|socket hang up|EOF occurred in violation of protocol (_ssl.c:997)|"
        "network unreachable|Network is unreachable|host unreachable|No route to host|Stream interrupted",
        T.FETCH_ERROR: "fetch failed|TypeError: Failed to fetch|Network request failed|Connection error.",
        T.ECONNRESET: "read ECONNRESET|Connection reset by peer",
        T.ECONNREFUSED: "connect ECONNREFUSED 127.0.0.1:80|Connection refused",
        T.SSE_ABORTED: "SSE connection aborted|server-sent events failed|EventStream closed|stream was aborted",
        T.NO_BYTES: "no bytes received|empty response|zero bytes|no data received|Content-Length: 0",
        T.PARTIAL_CHUNKS: "partial chunk|incomplete chunk|premature close|unexpected end of data|incomplete data|"
        "IncompleteRead: incomplete read|response truncated",
        T.RUNTIME_KILLED: "worker terminated|runtime was killed|Lambda timeout|function timed out|execution timeout|"
        "worker died|process exited|received SIGTERM|SIGKILL",
        T.BACKGROUND_THROTTLE: "background app suspended|background throttle|tab suspended|page hidden|inactive tab|"
        "background tab|visibility hidden",
        T.DNS_ERROR: "getaddrinfo ENOTFOUND api.example.com|DNS lookup failed|Temporary failure in name resolution|"
        "host not found|nodename nor servname provided, or not known|[Errno -2] Name or service not known",
        T.SSL_ERROR: "certificate verify failed|self signed certificate|self-signed certificate in chain|"
        "SSL handshake failed|TLS handshake error|SSL error|certificate has expired|"
        "unable to verify the first certificate",
        T.TIMEOUT: "timeout|Request timed out|time out|deadline exceeded|connect ETIMEDOUT 1.2.3.4:443",
    }.items()
    for message in messages.split("|")
]  # fmt: skip

NO_NETWORK_ERROR: list[BaseException] = [
    # Words that hold other words.
    *[
        Exception(message)
        for message in [
            "assessment failed", "concert not found", "ghost not found", "classes aborted", "subtle error",
            "the certificated teacher has an error", "outline out of range", "passerby",
            "SSE endpoint returned nothing", "the worker was asked about a killed process", "dnsmasq", "",
        ]
    ],
    # What a provider answered, whatever its message says.
    answer(401, "Unauthorized: connection closed"),
    answer(400, "timeout must be < 600"),
    answer(429, "Rate limit reached, connection reset"),
    answer(503, "upstream connect error: connection refused"),
    answer(504, "upstream request timeout"),
    caused(RuntimeError("connection lost"), answer(401, "x")),
    caused(answer(429, "x"), ConnectionResetError()),
    Exception("Too many requests: connection closed"),
    of_library("openai", "APIError", "connection reset"),
    # What no way is to blame for.
    httpx("UnsupportedProtocol", "Request URL is missing an 'http://' or 'https://' protocol."),
    connection_error(httpx("TooManyRedirects", "x")),
    TypeError("connection closed"), KeyError("timeout"), FileNotFoundError(errno.ENOENT, "x"),
    l0.ZeroOutput(), l0.OutputLimitExceeded("connection closed"), asyncio.CancelledError(),
]  # fmt: skip

NETWORK_ERRORS = [*BY_TYPE, *BY_CAUSE, *BY_MESSAGE]
EVERY_ERROR = [*(error for error, _ in NETWORK_ERRORS), *NO_NETWORK_ERROR]


def name_of(value: object) -> str:
    return value.value if isinstance(value, T) else repr(value)[:60]


@pytest.mark.parametrize(("error", "kind"), NETWORK_ERRORS, ids=name_of)
def test_types(error: BaseException, kind: T) -> None:
    assert l0_type(error) is kind
    assert NetworkError.check(error)


@pytest.mark.parametrize("error", NO_NETWORK_ERROR, ids=name_of)
def test_what_is_no_network_error(error: BaseException) -> None:
    assert not network.is_network_error(error)
    assert l0_type(error) is T.UNKNOWN
    assert not network.is_stream_interrupted(error, 5)


def l0_type(error: BaseException) -> T:
    return network.analyze_network_error(error).type


HELPERS: dict[T, Callable[[BaseException], bool]] = {
    T.CONNECTION_DROPPED: network.is_connection_dropped,
    T.FETCH_ERROR: network.is_fetch_error,
    T.ECONNRESET: network.is_econnreset,
    T.ECONNREFUSED: network.is_econnrefused,
    T.SSE_ABORTED: network.is_sse_aborted,
    T.NO_BYTES: network.is_no_bytes,
    T.PARTIAL_CHUNKS: network.is_partial_chunks,
    T.RUNTIME_KILLED: network.is_runtime_killed,
    T.BACKGROUND_THROTTLE: network.is_background_throttle,
    T.DNS_ERROR: network.is_dns_error,
    T.SSL_ERROR: network.is_ssl_error,
    T.TIMEOUT: network.is_timeout_error,
}


def test_every_helper_agrees_with_the_analysis() -> None:
    assert set(HELPERS) == set(T) - {T.UNKNOWN}
    for error in EVERY_ERROR:
        yes = {kind for kind, helper in HELPERS.items() if helper(error)}
        assert yes == {l0_type(error)} - {T.UNKNOWN}, error


def test_the_category_and_the_type_are_one_truth() -> None:
    for error in EVERY_ERROR:
        category, analysis = l0.categorize_error(error), network.analyze_network_error(error)
        if category is ErrorCategory.NETWORK:
            assert NetworkError.check(error), error
        if NetworkError.check(error):
            certificate = category is ErrorCategory.FATAL and analysis.type is T.SSL_ERROR
            assert category in (ErrorCategory.NETWORK, ErrorCategory.TRANSIENT) or certificate, error
            assert not analysis.counts_toward_limit
        if analysis.type is not T.SSL_ERROR:
            assert analysis.retryable is l0.is_retryable(error)
        assert analysis.counts_toward_limit is (category in (ErrorCategory.MODEL, ErrorCategory.CONTENT))


def test_what_tls_refuses_is_not_worth_another_attempt() -> None:
    for error in (UNVERIFIED, connection_error(UNVERIFIED), Exception("SSL handshake failed")):
        assert not network.analyze_network_error(error).retryable
    assert not l0.is_retryable(Exception("certificate has expired"))
    assert l0.is_retryable(Exception("SSL handshake failed"))


def test_every_type_has_advice() -> None:
    analyses = {l0_type(error): network.analyze_network_error(error) for error in EVERY_ERROR}
    assert set(analyses) == set(T)
    assert len({analysis.suggestion for analysis in analyses.values()}) == len(T)
    for kind, analysis in analyses.items():
        assert analysis.suggestion.startswith("Check ")
        assert analysis.suggestion.endswith(".")
        assert analysis.suggestion.count(".") == 1
        assert set(analysis.context) == {
            T.UNKNOWN: set(),
            T.SSL_ERROR: {"possible_cause", "resolution"},
            T.BACKGROUND_THROTTLE: {"possible_cause", "resolution"},
        }.get(kind, {"possible_cause"})


def test_the_values_are_those_of_the_delay_tables() -> None:
    assert {kind.value for kind in T} == set(ErrorTypeDelays.__dataclass_fields__)


def test_the_class_holds_every_function() -> None:
    shorter = {"is_dns": "is_dns_error", "is_ssl": "is_ssl_error", "is_timeout": "is_timeout_error"} | {
        "check": "is_network_error", "analyze": "analyze_network_error", "describe": "describe_network_error",
        "create": "create_network_error", "suggest_delay": "suggest_retry_delay",
    }  # fmt: skip
    names = [name for name in vars(NetworkError) if not name.startswith("_")]
    functions = {getattr(network, shorter.get(name, name)) for name in names}
    assert functions == {getattr(network, name) for name in network.__all__ if not name.startswith("Network")}
    for name in names:
        assert getattr(NetworkError(), name) is getattr(network, shorter.get(name, name))


def test_descriptions() -> None:
    cause = network.analyze_network_error(ConnectionResetError()).context["possible_cause"]
    assert NetworkError.describe(ConnectionResetError()) == f"Network error: econnreset ({cause})"
    assert NetworkError.describe(ValueError("x")) == "Network error: unknown"


DELAYS = {
    T.CONNECTION_DROPPED: 1.0, T.FETCH_ERROR: 0.5, T.ECONNRESET: 1.0, T.ECONNREFUSED: 2.0, T.SSE_ABORTED: 0.5,
    T.NO_BYTES: 0.5, T.PARTIAL_CHUNKS: 0.5, T.RUNTIME_KILLED: 2.0, T.BACKGROUND_THROTTLE: 5.0, T.DNS_ERROR: 3.0,
    T.SSL_ERROR: 0.0, T.TIMEOUT: 1.0, T.UNKNOWN: 1.0,
}  # fmt: skip


def test_delays() -> None:
    assert set(DELAYS) == set(T)
    for error in EVERY_ERROR:
        base = DELAYS[l0_type(error)]
        assert base == getattr(ERROR_TYPE_DELAY_DEFAULTS, l0_type(error).value)
        for attempt in (0, 1, 2, 7, 5000):
            assert NetworkError.suggest_delay(error, attempt) == min(base * 2 ** min(attempt, 60), 30.0)
        assert network.suggest_retry_delay(error, 3, max_delay=1.5) == min(base * 8, 1.5)


def test_delays_of_ones_own() -> None:
    error = ConnectionRefusedError()
    by_text = {"econnrefused": 0.25}
    assert network.suggest_retry_delay(error, 1, {T.ECONNREFUSED: 0.25}) == 0.5
    assert network.suggest_retry_delay(error, 1, by_text) == 0.5
    assert network.suggest_retry_delay(error, 1, ErrorTypeDelays(econnrefused=0.25)) == 0.5
    assert network.suggest_retry_delay(error, 1, {T.ECONNREFUSED: 0.0}) == 0.0
    assert network.suggest_retry_delay(error, 1, {T.TIMEOUT: 9.0}) == 4.0
    assert network.suggest_retry_delay(error, 1, ErrorTypeDelays(timeout=9.0)) == 4.0


def test_a_stream_is_interrupted_by_a_network_error_after_the_first_token() -> None:
    assert network.is_stream_interrupted(ConnectionResetError(), 1)
    assert not network.is_stream_interrupted(ConnectionResetError(), 0)
    assert not network.is_stream_interrupted(ValueError("x"), 7)
    for message in ("Stream interrupted", "stream closed unexpectedly", "connection lost mid-stream"):
        assert network.is_stream_interrupted(Exception(message), 0)
        assert not network.is_stream_interrupted(answer(400, message), 0)


class Picky(Exception):
    def __init__(self, *, request: str) -> None:
        super().__init__(f"Connection error for {request}")
        self.request = request


def test_an_error_that_carries_its_analysis() -> None:
    made: Any = NetworkError.create(ConnectionResetError("Connection reset by peer"))
    assert (type(made), str(made)) == (ConnectionResetError, "Connection reset by peer [econnreset]")
    assert isinstance(made.__cause__, ConnectionResetError)
    assert made.analysis == network.analyze_network_error(ConnectionResetError())
    # A class whose arguments cannot be known keeps its attributes.
    made = network.create_network_error(Picky(request="r"))
    assert (type(made), str(made), made.request) == (Picky, "Connection error for r [fetch_error]", "r")
    # An analysis that is given goes before our own.
    analysis = NetworkErrorAnalysis(T.TIMEOUT, False, False, "wait")
    made = network.create_network_error(ValueError("x"), analysis)
    assert (str(made), made.analysis) == ("x [timeout]", analysis)


@pytest.mark.parametrize(
    "original",
    [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("several", [ConnectionResetError()]),
        OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)),
        json.JSONDecodeError("Expecting value", "{", 1),
        httpx("ReadTimeout", "too slow"),
        l0.TimeoutError("no token", "inter_token", 1.0),
        l0.Truncated("no end"),
    ],
    ids=name_of,
)  # fmt: skip
def test_any_error_can_carry_its_analysis(original: Exception) -> None:
    made: Any = network.create_network_error(original)
    kind = l0_type(original)
    assert str(made) == f"{original} [{kind.value}]"
    assert made.__cause__ is original
    assert made.analysis.type is kind
    assert l0_type(made) is kind
    assert l0.categorize_error(made) is l0.categorize_error(original)


def test_it_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, l0; l0.run; l0.categorize_error(OSError(104, 'x')); sys.exit('l0_core.network' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Silent(ConnectionError):
    def __str__(self) -> str:
        raise AttributeError("code")


def test_an_error_that_cannot_say_what_it_is_is_not_replaced() -> None:
    assert network.analyze_network_error(Silent()).type is T.CONNECTION_DROPPED
    assert l0.categorize_error(type("Odd", (Exception,), {"__str__": Silent.__str__})()) is ErrorCategory.MODEL


@pytest.mark.parametrize("kind", [Silent, type("Odd", (Exception,), {"__str__": Silent.__str__})])
def test_a_stream_raises_the_error_that_cannot_say_what_it_is(kind: type[Exception]) -> None:
    async def factory() -> Any:
        raise kind

    async def main() -> None:
        heard: list[Any] = []
        retry = l0.Retry(base_delay=0, max_retries=1)
        stream = await l0.run(factory, retry=retry, on_retry=lambda *given: heard.append(given), on_event=heard.append)
        with pytest.raises(kind):
            await stream.read()
        assert (1, "") in heard

    asyncio.run(main())
