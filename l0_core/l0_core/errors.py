"""What can go wrong, and of what kind it is.

Exceptions of L0 itself; a stream that fails raises the provider's own exception, not one of these around it:

    Exception
    ├── Error                        a code, a category and a context
    │   ├── Truncated                the source stopped without proof that it was done
    │   ├── ZeroOutput               the model answered nothing
    │   ├── InvalidToolCall          the model called a tool with arguments that are not JSON
    │   ├── GuardrailViolationError  a guardrail objected
    │   ├── OutputLimitExceeded      a limit of `Limits` was passed
    │   ├── AdapterNotFound          nothing knows how to read what the factory returned
    │   └── PluginError              a plugin that was asked for cannot work
    └── TimeoutError                 the provider kept the stream waiting for too long (also a builtin TimeoutError)

An error is classified by its type, its status and its body, and by its causes where it says nothing itself. Its
message is the last resort, for errors that carry nothing else.
"""

from __future__ import annotations

import builtins
import errno
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from l0_core.guardrails import GuardrailViolation

__all__ = [
    "AdapterNotFound",
    "Error",
    "ErrorCategory",
    "ErrorCode",
    "ErrorContext",
    "GuardrailViolationError",
    "InvalidToolCall",
    "OutputLimitExceeded",
    "PluginError",
    "TimeoutError",
    "Truncated",
    "ZeroOutput",
    "categorize_error",
    "get_error_category",
    "is_error",
    "is_l0_error",
    "is_retryable",
]


class ErrorCategory(str, Enum):
    """What kind of failure it is, which decides whether trying again can help."""

    NETWORK = "network"
    """The way to the provider failed: retried, not counted as the model's fault."""
    TRANSIENT = "transient"
    """The provider is busy, slow or unwell: retried, not counted as the model's fault."""
    MODEL = "model"
    """The model or the provider failed in a way of its own: retried, counted."""
    CONTENT = "content"
    """What the model said is not acceptable: retried, counted."""
    PROVIDER = "provider"
    FATAL = "fatal"
    """It would fail in the same way again: not retried with this source."""
    INTERNAL = "internal"
    """A mistake in code, ours or a caller's: not retried."""


class ErrorCode(str, Enum):
    """What an `Error` of L0's own is about."""

    STREAM_ABORTED = "STREAM_ABORTED"
    INITIAL_TOKEN_TIMEOUT = "INITIAL_TOKEN_TIMEOUT"
    INTER_TOKEN_TIMEOUT = "INTER_TOKEN_TIMEOUT"
    ZERO_OUTPUT = "ZERO_OUTPUT"
    GUARDRAIL_VIOLATION = "GUARDRAIL_VIOLATION"
    FATAL_GUARDRAIL_VIOLATION = "FATAL_GUARDRAIL_VIOLATION"
    DRIFT_DETECTED = "DRIFT_DETECTED"
    INVALID_STREAM = "INVALID_STREAM"
    ADAPTER_NOT_FOUND = "ADAPTER_NOT_FOUND"
    FEATURE_NOT_ENABLED = "FEATURE_NOT_ENABLED"
    ALL_STREAMS_EXHAUSTED = "ALL_STREAMS_EXHAUSTED"
    NETWORK_ERROR = "NETWORK_ERROR"
    TRUNCATED = "TRUNCATED"
    INVALID_TOOL_CALL = "INVALID_TOOL_CALL"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    PLUGIN = "PLUGIN"


_CATEGORY_OF_CODE = {
    ErrorCode.STREAM_ABORTED: ErrorCategory.PROVIDER,
    ErrorCode.INITIAL_TOKEN_TIMEOUT: ErrorCategory.TRANSIENT,
    ErrorCode.INTER_TOKEN_TIMEOUT: ErrorCategory.TRANSIENT,
    ErrorCode.ZERO_OUTPUT: ErrorCategory.CONTENT,
    ErrorCode.GUARDRAIL_VIOLATION: ErrorCategory.CONTENT,
    ErrorCode.FATAL_GUARDRAIL_VIOLATION: ErrorCategory.CONTENT,
    ErrorCode.DRIFT_DETECTED: ErrorCategory.CONTENT,
    ErrorCode.INVALID_STREAM: ErrorCategory.INTERNAL,
    ErrorCode.ADAPTER_NOT_FOUND: ErrorCategory.INTERNAL,
    ErrorCode.FEATURE_NOT_ENABLED: ErrorCategory.INTERNAL,
    ErrorCode.ALL_STREAMS_EXHAUSTED: ErrorCategory.PROVIDER,
    ErrorCode.NETWORK_ERROR: ErrorCategory.NETWORK,
    ErrorCode.TRUNCATED: ErrorCategory.NETWORK,
    ErrorCode.INVALID_TOOL_CALL: ErrorCategory.CONTENT,
    ErrorCode.OUTPUT_LIMIT: ErrorCategory.FATAL,
    ErrorCode.PLUGIN: ErrorCategory.INTERNAL,
}

# What these codes mean as a thing that happened to a stream, where that differs from what they mean as a name.
_CATEGORY_WHEN_RAISED = _CATEGORY_OF_CODE | {
    ErrorCode.FATAL_GUARDRAIL_VIOLATION: ErrorCategory.FATAL,
    ErrorCode.STREAM_ABORTED: ErrorCategory.FATAL,
}


def get_error_category(code: ErrorCode) -> ErrorCategory:
    """The category that an error code belongs to."""
    return _CATEGORY_OF_CODE[code]


@dataclass
class ErrorContext:
    """Where the stream stood when an `Error` was raised."""

    code: ErrorCode
    checkpoint: str | None = None
    token_count: int | None = None
    content_length: int | None = None
    model_retry_count: int | None = None
    network_retry_count: int | None = None
    fallback_index: int | None = None
    metadata: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class Error(Exception):
    """An error of L0's own, with a code and a context."""

    def __init__(self, message: str, context: ErrorContext | ErrorCode) -> None:
        super().__init__(message)
        self.message = message
        self.context = context if isinstance(context, ErrorContext) else ErrorContext(context)
        self.timestamp = time.time()

    @property
    def code(self) -> ErrorCode:
        return self.context.code

    @property
    def category(self) -> ErrorCategory:
        return get_error_category(self.code)

    @property
    def has_checkpoint(self) -> bool:
        return bool(self.context.checkpoint)

    @property
    def is_recoverable(self) -> bool:
        """An older name of `has_checkpoint`."""
        return self.has_checkpoint

    def get_checkpoint(self) -> str | None:
        return self.context.checkpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}(code={self.code.value!r}, message={self.message!r})"

    def to_detailed_string(self) -> str:
        """The message and where the stream stood, on one line."""
        context = self.context
        parts = [self.message]
        if context.token_count is not None:
            parts.append(f"Tokens: {context.token_count}")
        retries = (context.model_retry_count or 0) + (context.network_retry_count or 0)
        if retries:
            parts.append(f"Retries: {retries}")
        if context.fallback_index:
            parts.append(f"Fallback: {context.fallback_index}")
        if context.checkpoint:
            parts.append(f"Checkpoint: {len(context.checkpoint)} chars")
        return " | ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """A dict for logs, with camelCase keys and `timestamp` in seconds since the epoch."""
        context = self.context
        return {
            "name": "Error",
            "code": self.code.value,
            "category": self.category.value,
            "message": self.message,
            "timestamp": self.timestamp,
            "hasCheckpoint": self.has_checkpoint,
            "checkpoint": context.checkpoint,
            "tokenCount": context.token_count,
            "modelRetryCount": context.model_retry_count,
            "networkRetryCount": context.network_retry_count,
            "fallbackIndex": context.fallback_index,
            "metadata": context.metadata,
            "context": context.context,
        }

    @staticmethod
    def categorize(error: BaseException) -> ErrorCategory:
        return categorize_error(error)

    @staticmethod
    def is_retryable(error: BaseException) -> bool:
        return is_retryable(error)

    @staticmethod
    def is_error(error: object) -> bool:
        return isinstance(error, Error)

    @staticmethod
    def is_l0_error(error: object) -> bool:
        return isinstance(error, Error)

    @staticmethod
    def get_category(code: ErrorCode) -> ErrorCategory:
        return get_error_category(code)


class Truncated(Error):
    """The source stopped, and nothing it sent proves that it was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.TRUNCATED)


class ZeroOutput(Error):
    """The stream ended properly and held no text and no tool call."""

    def __init__(self, message: str = "The model answered nothing: no text and no tool call") -> None:
        super().__init__(message, ErrorCode.ZERO_OUTPUT)


class InvalidToolCall(Error):
    """The stream ended properly, and the arguments of a tool call in it are not a JSON object."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.INVALID_TOOL_CALL)


class GuardrailViolationError(Error):
    """A guardrail objected; `violation` says to what."""

    def __init__(self, violation: GuardrailViolation) -> None:
        prefix, code = (
            ("Fatal guardrail violation", ErrorCode.FATAL_GUARDRAIL_VIOLATION)
            if violation.halts
            else ("Guardrail violation", ErrorCode.GUARDRAIL_VIOLATION)
        )
        super().__init__(f"{prefix}: {violation.message}", code)
        self.violation = violation


class OutputLimitExceeded(Error):
    """A limit of `Limits` was passed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.OUTPUT_LIMIT)


class AdapterNotFound(Error):
    """Nothing knows how to read what the factory returned."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.ADAPTER_NOT_FOUND)


class PluginError(Error):
    """A plugin that was asked for is missing, broken or not made for this version."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.PLUGIN)


class TimeoutError(builtins.TimeoutError):
    """The provider kept the stream waiting for longer than `Timeout` allows.

    `timeout_type` is `"initial_token"`, `"inter_token"` or `"total"`; `timeout_seconds` is the limit, in seconds.
    """

    def __init__(self, message: str, timeout_type: str, timeout_seconds: float) -> None:
        super().__init__(message)
        self.timeout_type = timeout_type
        self.timeout_seconds = timeout_seconds


def is_error(error: object) -> bool:
    """Whether it is an `Error` of L0's own."""
    return isinstance(error, Error)


is_l0_error = is_error


def is_retryable(error: BaseException) -> bool:
    """Whether trying again can help."""
    return categorize_error(error) not in (ErrorCategory.FATAL, ErrorCategory.INTERNAL)


# Classification. Names are enough: no SDK and no HTTP library is imported to know its exceptions.

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
        return _CATEGORY_WHEN_RAISED[error.code]
    chain = list(chain_of(error))
    if any(_HOPELESS.intersection(kind.__name__ for kind in type(link).__mro__) for link in chain):
        return ErrorCategory.FATAL
    for link in chain:
        category = category_by_nature(link)
        if category is not None:
            return category
    if any(_is_refusal_of_sdk(link) for link in chain):
        return ErrorCategory.FATAL
    return _category_by_message(str(error))


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
        return _CATEGORY_WHEN_RAISED[error.code]
    kinds = _kinds(error)
    names = {name for module, name in kinds if module in _PROVIDER_LIBRARIES}
    status = status_of(error)
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
