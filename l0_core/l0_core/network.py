"""What went wrong on the way to the provider, for whoever wants to know more than `ErrorCategory.NETWORK`.

The kind of a network error is that of its type and of its causes: a connection error that was caused by a failed name
lookup is a DNS error. Only where no type speaks does the message. What a provider answered, with whatever status, is
never a network error.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from l0_core.classification import categorize_error, category_by_nature, chain_of, is_retryable, meaning_of, status_of
from l0_core.delays import ERROR_TYPE_DELAY_DEFAULTS, ErrorTypeDelays
from l0_core.errors import Error, ErrorCategory, ErrorCode
from l0_core.raised import message_of

__all__ = [
    "NetworkError",
    "NetworkErrorAnalysis",
    "NetworkErrorType",
    "analyze_network_error",
    "create_network_error",
    "describe_network_error",
    "is_background_throttle",
    "is_connection_dropped",
    "is_dns_error",
    "is_econnrefused",
    "is_econnreset",
    "is_fetch_error",
    "is_network_error",
    "is_no_bytes",
    "is_partial_chunks",
    "is_runtime_killed",
    "is_sse_aborted",
    "is_ssl_error",
    "is_stream_interrupted",
    "is_timeout_error",
    "suggest_retry_delay",
]


class NetworkErrorType(str, Enum):
    """What kind of network error it is. An error has one kind, the most exact that is known."""

    CONNECTION_DROPPED = "connection_dropped"
    """An open connection ended, or there is no route: no more is known."""
    FETCH_ERROR = "fetch_error"
    """The request did not get through: no more is known."""
    ECONNRESET = "econnreset"
    """The other side reset the connection."""
    ECONNREFUSED = "econnrefused"
    """Nothing accepts connections at that address."""
    SSE_ABORTED = "sse_aborted"
    """The stream of server-sent events broke off or is none."""
    NO_BYTES = "no_bytes"
    """The connection ended before an answer began."""
    PARTIAL_CHUNKS = "partial_chunks"
    """The answer ended in the middle, or its bytes are not what was sent."""
    RUNTIME_KILLED = "runtime_killed"
    """The process or function that did the work was stopped."""
    BACKGROUND_THROTTLE = "background_throttle"
    """The work was suspended in the background."""
    DNS_ERROR = "dns_error"
    """The name of the host could not be resolved."""
    SSL_ERROR = "ssl_error"
    """TLS could not be set up: most often a certificate that is not accepted."""
    TIMEOUT = "timeout"
    """Connecting, sending or reading took longer than allowed."""
    UNKNOWN = "unknown"
    """None of the above, or no network error at all."""


@dataclass
class NetworkErrorAnalysis:
    """What is known of an error. `context` holds `possible_cause` and, for some types, `resolution`."""

    type: NetworkErrorType
    retryable: bool
    """Whether trying again can help with an error of this type."""
    counts_toward_limit: bool
    """Whether a retry because of it counts toward `Retry.attempts`."""
    suggestion: str
    context: dict[str, Any] = field(default_factory=dict)


_T = NetworkErrorType

# By the names of classes, so that no library is imported to know its exceptions.
_TYPE_OF_CLASS = {
    name: kind
    for kind, names in {
        _T.DNS_ERROR: "gaierror herror ClientConnectorDNSError",
        _T.ECONNREFUSED: "ConnectionRefusedError",
        _T.ECONNRESET: "ConnectionResetError",
        _T.SSL_ERROR: "SSLError ClientConnectorSSLError",
        _T.TIMEOUT: "TimeoutError TimeoutException APITimeoutError ConnectTimeout ReadTimeout WriteTimeout PoolTimeout "
        "ServerTimeoutError SocketTimeoutError Timeout",
        _T.PARTIAL_CHUNKS: "IncompleteReadError IncompleteRead ChunkedEncodingError ClientPayloadError DecodingError "
        "JSONDecodeError UnicodeDecodeError",
        _T.NO_BYTES: "RemoteDisconnected",
        _T.SSE_ABORTED: "SSEError",
        _T.FETCH_ERROR: "APIConnectionError ConnectError ProxyError ClientConnectorError",
        _T.CONNECTION_DROPPED: "ReadError WriteError CloseError RemoteProtocolError ServerDisconnectedError "
        "ClientConnectionError "
        "BrokenResourceError EndOfStream StreamClosed WebSocketConnectionClosedError SSLEOFError SSLZeroReturnError "
        "SSLSyscallError ConnectionError EOFError",
        # Not a failure: how a socket says that it has nothing yet. It is found in the context of real ones.
        _T.UNKNOWN: "SSLWantReadError SSLWantWriteError",
    }.items()
    for name in names.split()
}
_TYPE_OF_ERRNO = {
    getattr(errno, name): kind
    for kind, names in {
        _T.ECONNREFUSED: "ECONNREFUSED",
        _T.ECONNRESET: "ECONNRESET",
        _T.TIMEOUT: "ETIMEDOUT",
        _T.FETCH_ERROR: "EMFILE ENFILE ENOBUFS EADDRNOTAVAIL",
    }.items()
    for name in names.split()
    if hasattr(errno, name)
}
_TYPE_OF_CODE = {
    ErrorCode.TRUNCATED: _T.PARTIAL_CHUNKS,
    ErrorCode.INITIAL_TOKEN_TIMEOUT: _T.TIMEOUT,
    ErrorCode.INTER_TOKEN_TIMEOUT: _T.TIMEOUT,
}
_VAGUE = (_T.CONNECTION_DROPPED, _T.FETCH_ERROR, _T.UNKNOWN)
"""What a cause, or words, may know more exactly."""


def kind_of(error: BaseException) -> NetworkErrorType | None:
    """The type of a network error, or None if it is none.

    Whatever `categorize_error` calls a network error has a type. So have timeouts that no provider answered with, and
    certificates that are not accepted.
    """
    kind = _kind_by_nature(error)
    if kind is _T.SSL_ERROR or categorize_error(error) in (ErrorCategory.NETWORK, ErrorCategory.TRANSIENT):
        return kind
    return None


def _kind_by_nature(error: BaseException) -> NetworkErrorType | None:
    found, nothing_spoke = None, True
    for link in chain_of(error):
        category = category_by_nature(link)
        if category is None:
            continue
        nothing_spoke = False
        if not _is_of_the_way(link, category):
            break
        kind = _kind_of_link(link)
        if kind not in _VAGUE:
            return kind
        if found is None or kind is not _T.UNKNOWN:
            found = kind
    return _kind_by_message(message_of(error)) if nothing_spoke else found


def _is_of_the_way(link: BaseException, category: ErrorCategory) -> bool:
    if category not in (ErrorCategory.NETWORK, ErrorCategory.TRANSIENT):
        return False
    if status_of(link) is not None:
        # Some libraries make up a status for errors of the way; these two never stand for an answer.
        return any(kind.__name__ in ("APIConnectionError", "APITimeoutError") for kind in type(link).__mro__)
    return category is ErrorCategory.NETWORK or _kind_by_class(link) is _T.TIMEOUT


def _kind_of_link(link: BaseException) -> NetworkErrorType:
    kind = _kind_by_class(link)
    if kind not in _VAGUE and kind is not _T.SSL_ERROR:
        return kind
    said = _kind_by_message(message_of(link))
    if said is None or (said in _VAGUE and kind in (_T.CONNECTION_DROPPED, _T.FETCH_ERROR)):
        return kind
    return said


def _kind_by_class(link: BaseException) -> NetworkErrorType:
    if isinstance(link, Error):
        return _TYPE_OF_CODE.get(link.code, _T.UNKNOWN)
    number = link.errno if isinstance(link, OSError) else None
    if number in _TYPE_OF_ERRNO:
        return _TYPE_OF_ERRNO[number]
    for kind in type(link).__mro__:
        if kind.__name__ in _TYPE_OF_CLASS:
            return _TYPE_OF_CLASS[kind.__name__]
    return _T.UNKNOWN if number is None else _T.CONNECTION_DROPPED


def _kind_by_message(message: str) -> NetworkErrorType | None:
    match meaning_of(message):
        case None | "rate_limit":
            return None
        case "certificate":
            return _T.SSL_ERROR
        case kind:
            return NetworkErrorType(kind)


@dataclass(frozen=True)
class _Advice:
    suggestion: str
    possible_cause: str | None = None
    resolution: str | None = None


_ADVICE = {
    _T.CONNECTION_DROPPED: _Advice(
        "Check the network between here and the provider, and the idle timeouts of proxies on the way.",
        "the provider, a proxy or the network closed an open connection",
    ),
    _T.FETCH_ERROR: _Advice(
        "Check the base URL, the proxy settings, and that this machine can open connections to the outside.",
        "the request did not reach the provider",
    ),
    _T.ECONNRESET: _Advice(
        "Check whether a load balancer or firewall cuts connections that are open for long or idle.",
        "the other side, or something on the way, reset the connection",
    ),
    _T.ECONNREFUSED: _Advice(
        "Check the host and port of the base URL, and that the server is running.",
        "nothing listens at that address, or a firewall rejects connections to it",
    ),
    _T.SSE_ABORTED: _Advice(
        "Check that proxies pass event streams on unbuffered, and that the address is one that streams.",
        "the stream of events broke off, or was not a stream of events",
    ),
    _T.NO_BYTES: _Advice(
        "Check the server's log for a request that it dropped, and whether it closes idle connections early.",
        "the server closed the connection before it answered",
    ),
    _T.PARTIAL_CHUNKS: _Advice(
        "Check whether the server or a proxy ends long answers early or changes their bytes.",
        "the answer ended in the middle or was damaged on the way",
    ),
    _T.RUNTIME_KILLED: _Advice(
        "Check the time and memory limits of the platform that runs this code, and ask for shorter answers there.",
        "the platform stopped the process or function",
    ),
    _T.BACKGROUND_THROTTLE: _Advice(
        "Check whether the system suspends this application in the background.",
        "the application was suspended while it waited",
        "Start the request again when the application is active, or let a server make it.",
    ),
    _T.DNS_ERROR: _Advice(
        "Check the spelling of the host in the base URL, and this machine's name servers.",
        "the name of the host could not be resolved",
    ),
    _T.SSL_ERROR: _Advice(
        "Check the certificate of the server, the trusted certificates of this machine, and its clock.",
        "the certificate was not accepted, or the two sides share no version of TLS",
        "Install the certificate authority that signed the server's certificate, or correct the address.",
    ),
    _T.TIMEOUT: _Advice(
        "Check whether the provider is slow at present, and whether the timeout suits the model and the prompt.",
        "the provider or the network took longer than the timeout allows",
    ),
    _T.UNKNOWN: _Advice("Check the error and its causes: they do not say what kind of network error it is, if any."),
}


def is_connection_dropped(error: BaseException) -> bool:
    """Whether an open connection ended, and no more is known than that."""
    return kind_of(error) is NetworkErrorType.CONNECTION_DROPPED


def is_fetch_error(error: BaseException) -> bool:
    """Whether the request did not get through, and no more is known than that."""
    return kind_of(error) is NetworkErrorType.FETCH_ERROR


def is_econnreset(error: BaseException) -> bool:
    """Whether the other side reset the connection."""
    return kind_of(error) is NetworkErrorType.ECONNRESET


def is_econnrefused(error: BaseException) -> bool:
    """Whether nothing accepted the connection."""
    return kind_of(error) is NetworkErrorType.ECONNREFUSED


def is_sse_aborted(error: BaseException) -> bool:
    """Whether the stream of server-sent events broke off, or was none."""
    return kind_of(error) is NetworkErrorType.SSE_ABORTED


def is_no_bytes(error: BaseException) -> bool:
    """Whether the connection ended before an answer began."""
    return kind_of(error) is NetworkErrorType.NO_BYTES


def is_partial_chunks(error: BaseException) -> bool:
    """Whether the answer ended in the middle, or its bytes are not what was sent."""
    return kind_of(error) is NetworkErrorType.PARTIAL_CHUNKS


def is_runtime_killed(error: BaseException) -> bool:
    """Whether the process or function that did the work was stopped."""
    return kind_of(error) is NetworkErrorType.RUNTIME_KILLED


def is_background_throttle(error: BaseException) -> bool:
    """Whether the work was suspended in the background."""
    return kind_of(error) is NetworkErrorType.BACKGROUND_THROTTLE


def is_dns_error(error: BaseException) -> bool:
    """Whether the name of the host could not be resolved."""
    return kind_of(error) is NetworkErrorType.DNS_ERROR


def is_ssl_error(error: BaseException) -> bool:
    """Whether TLS could not be set up."""
    return kind_of(error) is NetworkErrorType.SSL_ERROR


def is_timeout_error(error: BaseException) -> bool:
    """Whether connecting, sending or reading took longer than allowed."""
    return kind_of(error) is NetworkErrorType.TIMEOUT


def is_network_error(error: BaseException) -> bool:
    """Whether it is a network error of any type."""
    return kind_of(error) is not None


def analyze_network_error(error: BaseException) -> NetworkErrorAnalysis:
    """The type of a network error, and what to do about it.

    `retryable` is False for `SSL_ERROR`, which another attempt does not mend; otherwise it is `is_retryable(error)`.
    An error that is no network error has the type `UNKNOWN`.
    """
    kind = kind_of(error) or NetworkErrorType.UNKNOWN
    advice = _ADVICE[kind]
    context = {"possible_cause": advice.possible_cause, "resolution": advice.resolution}
    return NetworkErrorAnalysis(
        type=kind,
        retryable=kind is not NetworkErrorType.SSL_ERROR and is_retryable(error),
        counts_toward_limit=categorize_error(error) in (ErrorCategory.MODEL, ErrorCategory.CONTENT),
        suggestion=advice.suggestion,
        context={name: text for name, text in context.items() if text is not None},
    )


def describe_network_error(error: BaseException) -> str:
    """One line for a log: the type, and the possible cause in parentheses."""
    analysis = analyze_network_error(error)
    cause = analysis.context.get("possible_cause")
    return f"Network error: {analysis.type.value}" + (f" ({cause})" if cause else "")


def create_network_error(original: Exception, analysis: NetworkErrorAnalysis | None = None) -> Exception:
    """An error like `original` that has its type in the message and the analysis as the attribute `analysis`.

    It is of the class of `original`, with the same attributes, and caused by it. An exception whose class writes its
    own message becomes a plain `Exception`.
    """
    analysis = analysis or analyze_network_error(original)
    message = f"{original} [{analysis.type.value}]"
    kind = type(original)
    try:
        # Without __init__, which many exceptions have with arguments that cannot be known here.
        made: Any = kind.__new__(kind, message)
    except TypeError:
        made = Exception(message)
    if str(made) != message:
        made = Exception(message)
    made.__dict__.update(original.__dict__)
    made.analysis = analysis
    made.__cause__ = original
    return made  # type: ignore[no-any-return]


def is_stream_interrupted(error: BaseException, token_count: int) -> bool:
    """Whether a stream broke off after `token_count` tokens: by any network error after the first."""
    if not is_network_error(error):
        return False
    words = r"\bstream (was )?interrupted\b|\bstream closed unexpectedly\b|\bconnection lost mid-stream\b"
    return token_count > 0 or re.search(words, message_of(error), re.IGNORECASE) is not None


def suggest_retry_delay(
    error: BaseException,
    attempt: int,
    custom_delays: Mapping[NetworkErrorType, float] | Mapping[str, float] | ErrorTypeDelays | None = None,
    max_delay: float = 30.0,
) -> float:
    """How long to wait before trying again, in seconds: `min(base * 2**attempt, max_delay)`.

    `attempt` is 0 for the first retry. `base` is that of the error's type in `custom_delays`, or else in
    `ERROR_TYPE_DELAY_DEFAULTS`; both are in seconds, as is `max_delay`.
    """
    name = (kind_of(error) or NetworkErrorType.UNKNOWN).value
    base: float | None
    if isinstance(custom_delays, ErrorTypeDelays):
        base = getattr(custom_delays, name)
    else:
        # The types are texts: either mapping finds either key.
        base = cast("Mapping[str, float]", custom_delays or {}).get(name)
    if base is None:
        base = float(getattr(ERROR_TYPE_DELAY_DEFAULTS, name))
    # No wait needs a larger exponent, and a float has no room for one of some thousand.
    return float(min(base * 2.0 ** min(attempt, 60), max_delay))


class NetworkError:
    """The functions of this room under shorter names."""

    is_connection_dropped = staticmethod(is_connection_dropped)
    is_fetch_error = staticmethod(is_fetch_error)
    is_econnreset = staticmethod(is_econnreset)
    is_econnrefused = staticmethod(is_econnrefused)
    is_sse_aborted = staticmethod(is_sse_aborted)
    is_no_bytes = staticmethod(is_no_bytes)
    is_partial_chunks = staticmethod(is_partial_chunks)
    is_runtime_killed = staticmethod(is_runtime_killed)
    is_background_throttle = staticmethod(is_background_throttle)
    is_dns = staticmethod(is_dns_error)
    is_ssl = staticmethod(is_ssl_error)
    is_timeout = staticmethod(is_timeout_error)
    check = staticmethod(is_network_error)
    analyze = staticmethod(analyze_network_error)
    describe = staticmethod(describe_network_error)
    is_stream_interrupted = staticmethod(is_stream_interrupted)
    suggest_delay = staticmethod(suggest_retry_delay)
    create = staticmethod(create_network_error)
