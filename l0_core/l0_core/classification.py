"""Of what kind an error is.

An error is classified by its type, its status and its body, and by its causes where it says nothing itself. Its message
is the last resort, for errors that carry nothing else. Names are enough: no SDK and no HTTP library is imported to know
its exceptions.
"""

from __future__ import annotations

import builtins
import errno
import re
from collections.abc import Iterator, Mapping

from l0_core.errors import CATEGORY_WHEN_RAISED, Error, ErrorCategory
from l0_core.raised import message_of

__all__ = [
    "body_codes",
    "categorize_error",
    "category_by_nature",
    "chain_of",
    "is_retryable",
    "meaning_of",
    "status_of",
]

_PROVIDER_LIBRARIES = frozenset(
    [
        "openai",
        "litellm",
        "anthropic",
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "http",
        "aiohttp",
        "h11",
        "h2",
        "urllib3",
        "requests",
        "anyio",
        "websockets",
    ]
)
_NETWORK_NAMES = frozenset(
    [
        "APIConnectionError",
        "NetworkError",
        "ConnectError",
        "ReadError",
        "WriteError",
        "CloseError",
        "RemoteProtocolError",
        "ProxyError",
        "ProtocolError",
        "TransportError",
        "RequestError",
        "DecodingError",
        "StreamClosed",
        "StreamError",
        "WebSocketConnectionClosedError",
        "WebSocketQueueFullError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ServerDisconnectedError",
        "ClientOSError",
        "BrokenResourceError",
        "EndOfStream",
        "IncompleteRead",
        "ChunkedEncodingError",
        "ConnectionError",
    ]
)
_TIMEOUT_NAMES = frozenset(
    [
        "APITimeoutError",
        "TimeoutException",
        "ConnectTimeout",
        "ReadTimeout",
        "WriteTimeout",
        "PoolTimeout",
        "ServerTimeoutError",
        "SocketTimeoutError",
        "Timeout",
    ]
)
_MISUSE_NAMES = frozenset(("StreamConsumed", "ResponseNotRead", "RequestNotRead", "CookieConflict"))
"""What an HTTP library raises about the code that uses it."""

_HOPELESS = frozenset(
    (
        "SSLCertVerificationError",
        "CertificateError",
        "TooManyRedirects",
        "UnsupportedProtocol",
        "LocalProtocolError",
        "InvalidURL",
        "InvalidWebhookSignatureError",
    )
)
"""What fails again however often it is tried, even where an SDK calls it a connection error."""

_NETWORK_ERRNOS = frozenset(
    getattr(errno, name)
    for name in [
        "ECONNRESET",
        "ECONNREFUSED",
        "ECONNABORTED",
        "EPIPE",
        "ENETUNREACH",
        "ENETDOWN",
        "EHOSTUNREACH",
        "EHOSTDOWN",
        "ENOTCONN",
        "ESHUTDOWN",
        "ENETRESET",
        "EMFILE",
        "ENFILE",
        "ENOBUFS",
        "EADDRNOTAVAIL",
    ]
    if hasattr(errno, name)
)

_CODE_MISTAKES = (
    TypeError,
    AttributeError,
    LookupError,
    NameError,
    AssertionError,
    ImportError,
    NotImplementedError,
    RecursionError,
    ArithmeticError,
    SyntaxError,
    MemoryError,
)

# What providers put into `error.code` and `error.type` of a body.
_FATAL_BODIES = frozenset(
    [
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "context_length_exceeded",
        "string_above_max_length",
        "invalid_api_key",
        "invalid_request_error",
        "invalid_request",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "model_not_found",
        "unsupported_parameter",
        "unsupported_value",
        "content_policy_violation",
        "request_too_large",
        "account_deactivated",
        "invalid_prompt",
    ]
)
_TRANSIENT_BODIES = frozenset(
    [
        "rate_limit_exceeded",
        "rate_limit_error",
        "overloaded_error",
        "overloaded",
        "server_error",
        "api_error",
        "internal_server_error",
        "internal_error",
        "service_unavailable",
        "timeout",
        "timeout_error",
        "engine_overloaded",
        "requests",
        "tokens",
        "server_overloaded",
        "upstream_error",
        "bad_gateway",
        "all_deployments_in_cooldown",  # LiteLLM's router: whoever could be asked is resting.
    ]
)

_TRANSIENT_STATUS = frozenset((408, 409, 425, 429))

# What messages say, by what it means: the values of `NetworkErrorType`, and two that are none of them. The first that
# matches counts, so what is said of a cause goes before what is said of its effect.
_WORDS = {
    "rate_limit": r"\brate[ _-]?limit|\btoo many requests\b|\boverloaded\b",
    "certificate": (
        r"\bcertificate[ _]verify[ _]failed\b|\bself[- ]signed\b.{0,10}\bcertificate\b"
        r"|\bcertificate\b.{0,20}\b(error|expired|invalid|unknown|revoked|rejected|not (yet )?valid|not trusted)\b"
        r"|\b(expired|invalid|untrusted|revoked|bad) certificate\b"
        r"|\bunable to (get|verify)\b.{0,20}\bcertificate\b"
    ),
    "econnrefused": r"\beconnrefused\b|\bconnection\b.{0,10}\brefused\b",
    "econnreset": r"\beconnreset\b|\bconnection\b.{0,10}\breset\b",
    "dns_error": (
        r"\benotfound\b|\bgetaddrinfo\b|\bname resolution\b|\bhost ?not found\b|\bname or service not known\b"
        r"|\bnodename nor servname provided\b|\bcould not resolve (host|proxy)|\bno address associated\b"
        r"|\bdns\b.{0,20}\b(fail\w*|error|timed? ?out|not found)\b"
    ),
    "runtime_killed": (
        r"\bsig(term|kill)\b|\b(lambda|function|execution) timed? ?out\b"
        r"|\b(worker|runtime|process|container|isolate)( \w+){0,2} (terminated|killed|died|exited|evicted|crashed)\b"
    ),
    "background_throttle": (
        r"\bbackground\b.{0,20}\b(suspend|throttl)|\b(background|inactive) tab\b|\btab\b.{0,10}\bsuspended\b"
        r"|\b(page|visibility)\b.{0,10}\bhidden\b"
    ),
    "sse_aborted": (
        r"\b(sse|server-sent events?|event ?(stream|source))\b"
        r".{0,30}\b(aborted|closed|dropped|ended|error|failed|interrupted)\b"
        r"|\bstream\b.{0,20}\babort|\babort(ed|ing)?\b.{0,20}\bstream\b"
    ),
    "no_bytes": (
        r"\b(no|zero) bytes\b|\bno data (was )?received\b|\bempty response\b|\bcontent-length: 0\b"
        r"|\bwithout sending a response\b"
    ),
    "partial_chunks": (
        r"\b(incomplete|partial) (chunk|read|data|body)|\bpremature(ly)? (clos|end|eof)"
        r"|\bunexpected end of (data|file|input|stream)\b|\bwithout sending complete message body\b"
        r"|\btruncated (body|chunk|data|response|stream)\b|\b(body|chunk|data|response|stream)\b.{0,10}\btruncated\b"
    ),
    "timeout": r"\btimed?[ -]?out\b|\bdeadline exceeded\b|\betimedout\b",
    "connection_dropped": (
        r"\bconnection\b.{0,20}\b(dropped|closed|lost|aborted|broken|terminated)\b|\beconnaborted\b|\bepipe\b"
        r"|\bbroken pipe\b|\bpipe broken\b|\bsocket (error|hang ?up)\b|\beof occurred\b|\bserver disconnected\b"
        r"|\b(network|host) (is )?(down|unreachable)\b|\bno route to host\b|\bpeer closed connection\b"
        r"|\bstream (was )?(interrupted|closed unexpectedly)\b|\bbad record mac\b"
    ),
    "ssl_error": (
        r"\b(ssl|tls)[ _-]?(handshake|alert|error)\b|\b(ssl|tls)\b.{0,20}\b(fail\w*|error)\b|\bhandshake failure\b"
    ),
    "fetch_error": r"\bfetch failed\b|\bfailed to fetch\b|\bnetwork request failed\b|\b(connection|network) error\b",
}


def categorize_error(error: BaseException) -> ErrorCategory:
    """Of what kind a failure is.

    Decided by the first of the error and its causes that says something by type, status or body; then by the
    message; an error that says nothing at all is the model's.
    """
    if isinstance(error, Error):
        return CATEGORY_WHEN_RAISED[error.code]
    chain = list(chain_of(error))
    if any(_HOPELESS.intersection(kind.__name__ for kind in type(link).__mro__) for link in chain):
        return ErrorCategory.FATAL
    by_made_up_status = None
    for link in chain:
        category = category_by_nature(link)
        if category is None:
            continue
        if category is ErrorCategory.FATAL or not _has_made_up_status(link):
            return category
        by_made_up_status = category
    if by_made_up_status is not None:
        return by_made_up_status
    if any(_is_refusal_of_sdk(link) for link in chain):
        return ErrorCategory.FATAL
    return _category_by_message(message_of(error))


def is_retryable(error: BaseException) -> bool:
    """Whether trying again can help."""
    return categorize_error(error) not in (ErrorCategory.FATAL, ErrorCategory.INTERNAL)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, nearest first; the members of a group go before the cause of the group."""
    seen: set[int] = set()
    ahead = [error]
    while ahead:
        link = ahead.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        # httpcore raises its errors once more `from None`, which hides what they were made of.
        hidden = link.__suppress_context__ and not type(link).__module__.startswith("httpcore")
        cause = link.__cause__ or (None if hidden else link.__context__)
        if cause is not None:
            ahead.append(cause)
        # LiteLLM says there what it raises an error of its own for.
        original = getattr(link, "original_exception", None)
        if isinstance(original, BaseException):
            ahead.append(original)
        if isinstance(link, BaseExceptionGroup):
            ahead.extend(reversed(link.exceptions))


def _kinds(error: BaseException) -> set[tuple[str, str]]:
    """The classes of an error, each as its top-level package and its name."""
    return {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}


def _is_refusal_of_sdk(error: BaseException) -> bool:
    # Raised without asking the provider (no credentials, options that exclude each other), or because of how the
    # answer ended (its length, its content filter): what is asked in the same way ends in the same way.
    kinds = _kinds(error)
    return ("openai", "OpenAIError") in kinds and ("openai", "APIError") not in kinds


def _has_made_up_status(error: BaseException) -> bool:
    # LiteLLM gives one to what no server has answered: it tells less than what the error was made of.
    status = status_of(error)
    return status is not None and status >= 500 and any(module == "litellm" for module, _ in _kinds(error))


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error carries, if it does."""
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status"):
            status = getattr(holder, name, None)
            if isinstance(status, str) and status.isdecimal():
                status = int(status)
            if isinstance(status, int) and 100 <= status <= 599:
                return status
    return None


def body_codes(error: BaseException) -> frozenset[str]:
    """What the provider calls the error in its answer: the `code` and `type` of the body, as text in lower case."""
    found: set[str] = set()
    body = getattr(error, "body", None)
    holders = [error, body]
    if isinstance(body, Mapping):
        holders.append(body.get("error"))
    for holder in holders:
        for name in ("code", "type"):
            value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
            if isinstance(value, str | int):
                found.add(str(value).lower())
    return frozenset(found)


def category_by_nature(error: BaseException) -> ErrorCategory | None:
    """What an error says of itself by type, status and body, without its causes and its message."""
    if isinstance(error, Error):
        return CATEGORY_WHEN_RAISED[error.code]
    kinds = _kinds(error)
    names = {name for module, name in kinds if module in _PROVIDER_LIBRARIES}
    # A connection has no status. One that its error has is made up.
    status = None if names & _NETWORK_NAMES else status_of(error)
    if status is not None or names or hasattr(error, "body"):
        codes = body_codes(error)
        by_answer = _category_by_answer(_status_among(codes) if status is None else status, codes)
        if by_answer is not None:
            return by_answer
    if names & _MISUSE_NAMES:
        return ErrorCategory.INTERNAL
    if names & _TIMEOUT_NAMES:
        return ErrorCategory.TRANSIENT
    if names & _NETWORK_NAMES:
        return ErrorCategory.NETWORK
    if ("openai", "APIError") in kinds and status is None:
        # Sent inside a stream that had begun: the provider broke off, and did not say why in words that we know.
        return ErrorCategory.TRANSIENT
    return _category_of_builtin(error)


def _status_among(codes: frozenset[str]) -> int | None:
    # Gateways that had answered 200 before something failed put the status into the body, as its code.
    return next((int(code) for code in codes if len(code) == 3 and code.isdecimal() and code[0] in "45"), None)


def _category_by_answer(status: int | None, codes: frozenset[str]) -> ErrorCategory | None:
    if status is not None and status >= 500:
        return ErrorCategory.TRANSIENT
    if status == 429:
        quota = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
        return ErrorCategory.FATAL if codes & quota else ErrorCategory.TRANSIENT
    if status is not None and status in _TRANSIENT_STATUS:
        return ErrorCategory.TRANSIENT
    if status is not None and 300 <= status < 500:
        return ErrorCategory.FATAL
    if codes & _FATAL_BODIES:
        return ErrorCategory.FATAL
    if codes & _TRANSIENT_BODIES:
        return ErrorCategory.TRANSIENT
    return None


def _category_of_builtin(error: BaseException) -> ErrorCategory | None:
    if isinstance(error, builtins.TimeoutError):
        return ErrorCategory.TRANSIENT
    if isinstance(error, ConnectionError | EOFError):
        return ErrorCategory.NETWORK
    if isinstance(error, OSError):
        name = type(error).__name__
        if name in ("gaierror", "herror") or name.startswith("SSL") or error.errno in _NETWORK_ERRNOS:
            return ErrorCategory.NETWORK
        return ErrorCategory.INTERNAL if error.errno is not None else None
    if isinstance(error, UnicodeDecodeError) or type(error).__name__ == "JSONDecodeError":
        # A source hands these on when its transport delivered bytes that are not what was sent.
        return ErrorCategory.NETWORK
    if isinstance(error, _CODE_MISTAKES):
        return ErrorCategory.INTERNAL
    return None


def meaning_of(message: str) -> str | None:
    """What a message says went wrong, as a key of `_WORDS`, or None. Errors that say it by their type come first."""
    # The patterns are compiled when they are needed, which is rare: `re` keeps them then.
    return next((key for key, words in _WORDS.items() if re.search(words, message, re.IGNORECASE)), None)


def _category_by_message(message: str) -> ErrorCategory:
    match meaning_of(message):
        case None:
            return ErrorCategory.MODEL
        case "rate_limit" | "timeout":
            return ErrorCategory.TRANSIENT
        case "certificate":
            return ErrorCategory.FATAL
        case _:
            return ErrorCategory.NETWORK
