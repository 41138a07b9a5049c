"""Every exception of the SDK and of its HTTP library has a category: a new one fails here until someone decides."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import l0
import openai
import pytest
from l0 import ErrorCategory as C
from l0_core.network import NetworkErrorType, analyze_network_error, is_network_error
from openai.types.chat import ChatCompletion

# 3.x of the SDK runs on another HTTP library than 2.x, whose exceptions are unrelated classes of the same names.
http: Any = import_module("httpx2" if int(openai.__version__.partition(".")[0]) >= 3 else "httpx")

REQUEST = http.Request("POST", "https://api.example.com/v1/chat/completions")
CUT_OFF = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": '{"a'}}],
}  # fmt: skip


def exceptions_of(*modules: Any) -> dict[str, type[BaseException]]:
    found = {name: value for module in modules for name, value in vars(module).items()}
    for module in modules:
        found |= {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    public = {name: value for name, value in found.items() if not name.startswith("_") and isinstance(value, type)}
    return {name: value for name, value in public.items() if issubclass(value, BaseException)}


SDK = exceptions_of(openai, import_module("openai._exceptions"))
HTTP = exceptions_of(http)


def answer(status: int, body: object = None) -> Any:
    return http.Response(status, json=body, request=REQUEST)


def by_status(status: int) -> Callable[[Any], BaseException]:
    return lambda kind: kind("Error code", response=answer(status, {"error": None}), body=None)


def plain(kind: Any) -> BaseException:
    made: BaseException = kind("Something happened.")
    return made


def empty(kind: Any) -> BaseException:
    made: BaseException = kind()
    return made


SDK_TABLE: dict[str, tuple[Callable[[Any], BaseException], C]] = {
    # What the provider answered: by its status.
    "APIStatusError": (by_status(418), C.FATAL),
    "BadRequestError": (by_status(400), C.FATAL),
    "AuthenticationError": (by_status(401), C.FATAL),
    "PermissionDeniedError": (by_status(403), C.FATAL),
    "NotFoundError": (by_status(404), C.FATAL),
    "ConflictError": (by_status(409), C.TRANSIENT),  # A lock timed out; the SDK itself retries it.
    "UnprocessableEntityError": (by_status(422), C.FATAL),
    "RateLimitError": (by_status(429), C.TRANSIENT),
    "InternalServerError": (by_status(500), C.TRANSIENT),
    # The token endpoint refused the credentials.
    "OAuthError": (lambda kind: kind(response=answer(401), body={"error": "invalid_grant"}), C.FATAL),
    # The way to the provider.
    "APIConnectionError": (lambda kind: kind(request=REQUEST), C.NETWORK),
    "APITimeoutError": (lambda kind: kind(REQUEST), C.TRANSIENT),
    "WebSocketConnectionClosedError": (lambda kind: kind("Connection closed.", unsent_messages=[]), C.NETWORK),
    # What is sent does not leave: a new attempt has a new connection, and an empty queue.
    "WebSocketQueueFullError": (plain, C.NETWORK),
    # Sent inside a stream that had begun, without a code: the provider broke off.
    "APIError": (lambda kind: kind("An error occurred during streaming", REQUEST, body=None), C.TRANSIENT),
    # The provider answered 200 with what is no answer: a failure of its own, which another attempt may not have.
    "APIResponseValidationError": (lambda kind: kind(answer(200, []), []), C.MODEL),
    # Raised by the helpers that parse. A stream that ends so is not retried either: the same request ends the same way.
    "LengthFinishReasonError": (lambda kind: kind(completion=ChatCompletion.model_validate(CUT_OFF)), C.FATAL),
    "ContentFilterFinishReasonError": (empty, C.FATAL),
    # Raised without asking the provider: no credentials, options that exclude each other.
    "OpenAIError": (plain, C.FATAL),
    "SubjectTokenProviderError": (plain, C.FATAL),
    # Another secret or another sender: verifying again gives the same.
    "InvalidWebhookSignatureError": (plain, C.FATAL),
}

HTTP_TABLE: dict[str, tuple[Callable[[Any], BaseException], C]] = {
    "TimeoutException": (plain, C.TRANSIENT),
    "ConnectTimeout": (plain, C.TRANSIENT),
    "ReadTimeout": (plain, C.TRANSIENT),
    "WriteTimeout": (plain, C.TRANSIENT),
    "PoolTimeout": (plain, C.TRANSIENT),
    "RequestError": (plain, C.NETWORK),
    "TransportError": (plain, C.NETWORK),
    "NetworkError": (plain, C.NETWORK),
    "ConnectError": (plain, C.NETWORK),
    "ReadError": (plain, C.NETWORK),
    "WriteError": (plain, C.NETWORK),
    "CloseError": (plain, C.NETWORK),
    "ProxyError": (plain, C.NETWORK),
    "ProtocolError": (plain, C.NETWORK),
    "RemoteProtocolError": (plain, C.NETWORK),
    "DecodingError": (plain, C.NETWORK),
    "SSEError": (plain, C.NETWORK),  # Something on the way answered in the place of the provider.
    "StreamError": (plain, C.NETWORK),
    "StreamClosed": (empty, C.NETWORK),  # The response was closed under its reader.
    # A URL, a header or a chain of redirects that is the same at the next attempt.
    "InvalidURL": (plain, C.FATAL),
    "UnsupportedProtocol": (plain, C.FATAL),
    "LocalProtocolError": (plain, C.FATAL),
    "TooManyRedirects": (plain, C.FATAL),
    # Mistakes in the code that reads the response.
    "StreamConsumed": (empty, C.INTERNAL),
    "ResponseNotRead": (empty, C.INTERNAL),
    "RequestNotRead": (empty, C.INTERNAL),
    "CookieConflict": (plain, C.INTERNAL),
    # The root of them all says nothing.
    "HTTPError": (plain, C.MODEL),
    "HTTPStatusError": (lambda kind: kind("Server error", request=REQUEST, response=answer(503)), C.TRANSIENT),
}  # fmt: skip


@pytest.mark.parametrize("name", SDK)
def test_every_exception_of_the_sdk(name: str) -> None:
    assert name in SDK_TABLE, f"openai has a new exception, {name}: decide its category and say why"
    make, category = SDK_TABLE[name]
    error = make(SDK[name])
    assert type(error) is SDK[name]
    assert l0.categorize_error(error) is category


@pytest.mark.parametrize("name", HTTP)
def test_every_exception_of_the_http_library(name: str) -> None:
    assert name in HTTP_TABLE, f"{http.__name__} has a new exception, {name}: decide its category and say why"
    make, category = HTTP_TABLE[name]
    error = make(HTTP[name])
    assert type(error) is HTTP[name]
    assert l0.categorize_error(error) is category


@pytest.mark.parametrize("name", HTTP)
def test_the_cause_of_a_connection_error_can_only_forbid_a_retry(name: str) -> None:
    make, category = HTTP_TABLE[name]
    error = openai.APIConnectionError(request=REQUEST)
    error.__cause__ = make(HTTP[name])
    assert l0.categorize_error(error) is (C.FATAL if category is C.FATAL else C.NETWORK)


def test_the_tables_are_of_this_sdk() -> None:
    assert len(SDK) > 15
    assert len(HTTP) > 25
    assert issubclass(SDK["APIStatusError"], openai.OpenAIError)


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (302, C.FATAL), (400, C.FATAL), (401, C.FATAL), (402, C.FATAL), (403, C.FATAL), (404, C.FATAL),
        (405, C.FATAL), (408, C.TRANSIENT), (409, C.TRANSIENT), (413, C.FATAL), (415, C.FATAL), (422, C.FATAL),
        (425, C.TRANSIENT), (429, C.TRANSIENT), (500, C.TRANSIENT), (502, C.TRANSIENT), (503, C.TRANSIENT),
        (504, C.TRANSIENT), (529, C.TRANSIENT),
    ],
)  # fmt: skip
def test_statuses_of_either_library(status: int, category: C) -> None:
    for error in (
        openai.APIStatusError("connection closed", response=answer(status), body=None),
        http.HTTPStatusError("connection closed", request=REQUEST, response=answer(status)),
    ):
        assert l0.categorize_error(error) is category
        assert not is_network_error(error)


@contextmanager
def client(handler: Callable[[Any], Any]) -> Iterator[openai.OpenAI]:
    transport = http.MockTransport(handler)
    with openai.OpenAI(api_key="k", max_retries=0, http_client=http.Client(transport=transport)) as made:
        yield made


def failure_of(handler: Callable[[Any], Any]) -> BaseException:
    """What the SDK raises to who reads a stream of this server."""
    with client(handler) as made, pytest.raises(openai.OpenAIError) as raised:
        for _ in made.chat.completions.create(model="m", messages=[], stream=True):
            pass
    return raised.value


def error_body(code: object, kind: str | None, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "code", "kind", "message", "category"),
    [
        (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota", C.FATAL),
        (429, "billing_hard_limit_reached", None, "Billing hard limit has been reached", C.FATAL),
        (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests", C.TRANSIENT),
        (429, "rate_limit_exceeded", "tokens", "Request too large for model: tokens per min", C.TRANSIENT),
        (429, None, None, "Too many requests", C.TRANSIENT),
        (400, "context_length_exceeded", "invalid_request_error", "This model's maximum context length is", C.FATAL),
        (400, "content_policy_violation", "invalid_request_error", "Rejected by the safety system", C.FATAL),
        (400, None, "invalid_request_error", "timeout must be < 600", C.FATAL),
        (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided: connection closed", C.FATAL),
        (403, "unsupported_country_region_territory", "request_forbidden", "Country not supported", C.FATAL),
        (404, "model_not_found", "invalid_request_error", "The model does not exist", C.FATAL),
        (500, None, "server_error", "The server had an error while processing your request", C.TRANSIENT),
        (503, None, "server_error", "The engine is currently overloaded", C.TRANSIENT),
        (529, None, "overloaded_error", "Overloaded", C.TRANSIENT),
    ],
)
def test_answers(status: int, code: str | None, kind: str | None, message: str, category: C) -> None:
    error = failure_of(lambda request: http.Response(status, json=error_body(code, kind, message)))
    assert isinstance(error, openai.APIStatusError)
    assert l0.categorize_error(error) is category
    assert not is_network_error(error)


@pytest.mark.parametrize(("status", "category"), [(502, C.TRANSIENT), (403, C.FATAL)])
def test_an_answer_that_is_not_json(status: int, category: C) -> None:
    error = failure_of(lambda request: http.Response(status, text="<html>Connection closed</html>"))
    assert l0.categorize_error(error) is category


@pytest.mark.parametrize(
    ("code", "kind", "message", "category"),
    [
        (None, "overloaded_error", "Overloaded", C.TRANSIENT),
        (None, "server_error", "The server had an error", C.TRANSIENT),
        ("server_error", None, "The server had an error", C.TRANSIENT),
        ("rate_limit_exceeded", "tokens", "Rate limit reached", C.TRANSIENT),
        (None, "invalid_request_error", "Bad request", C.FATAL),
        ("context_length_exceeded", "invalid_request_error", "Too long", C.FATAL),
        ("insufficient_quota", "insufficient_quota", "You exceeded your current quota", C.FATAL),
        # A gateway puts the status that it would have answered with into the body.
        (502, None, "Provider returned error", C.TRANSIENT),
        (429, None, "Rate limited upstream", C.TRANSIENT),
        (402, None, "Insufficient credits", C.FATAL),
        (400, None, "Provider returned error", C.FATAL),
        # No code that is known: the provider broke off, which says nothing against another attempt.
        (None, None, "An error occurred during streaming", C.TRANSIENT),
        ("e_1234", "upstream", "connection closed", C.TRANSIENT),
        (7, None, "?", C.TRANSIENT),
    ],
)
def test_errors_inside_a_stream(code: object, kind: str | None, message: str, category: C) -> None:
    line = f"data: {json.dumps(error_body(code, kind, message))}\n\n"
    error = failure_of(lambda request: http.Response(200, headers={"content-type": "text/event-stream"}, text=line))
    assert type(error) is openai.APIError
    assert l0.categorize_error(error) is category
    assert not is_network_error(error)


@pytest.mark.parametrize(
    ("name", "message", "category", "kind"),
    [
        ("ConnectError", "All connection attempts failed", C.NETWORK, NetworkErrorType.FETCH_ERROR),
        ("ConnectError", "[Errno -2] Name or service not known", C.NETWORK, NetworkErrorType.DNS_ERROR),
        ("ReadError", "", C.NETWORK, NetworkErrorType.CONNECTION_DROPPED),
        ("RemoteProtocolError", "Server disconnected without sending a response.", C.NETWORK,
         NetworkErrorType.NO_BYTES),
        ("ReadTimeout", "", C.TRANSIENT, NetworkErrorType.TIMEOUT),
        ("PoolTimeout", "", C.TRANSIENT, NetworkErrorType.TIMEOUT),
    ],
)  # fmt: skip
def test_failures_of_the_transport(name: str, message: str, category: C, kind: NetworkErrorType) -> None:
    def handler(request: Any) -> Any:
        raise HTTP[name](message)

    error = failure_of(handler)
    assert isinstance(error, openai.APIConnectionError)
    assert l0.categorize_error(error) is category
    assert analyze_network_error(error).type is kind


def test_a_certificate_that_is_not_accepted() -> None:
    def handler(request: Any) -> Any:
        verdict = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
        raise http.ConnectError(str(verdict)) from verdict

    error = failure_of(handler)
    assert l0.categorize_error(error) is C.FATAL
    assert analyze_network_error(error).type is NetworkErrorType.SSL_ERROR


@pytest.fixture
def closed() -> Iterator[str]:
    """The URL of a port that is taken, and where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def test_a_port_where_nothing_listens(closed: str) -> None:
    with http.Client(trust_env=False) as transport, pytest.raises(openai.APIConnectionError) as raised:
        made = openai.OpenAI(api_key="k", base_url=closed, max_retries=0, http_client=transport)
        made.chat.completions.create(model="m", messages=[], stream=True)
    assert l0.categorize_error(raised.value) is C.NETWORK
    assert analyze_network_error(raised.value).type is NetworkErrorType.ECONNREFUSED


def test_a_port_where_nothing_listens_async(closed: str) -> None:
    async def ask() -> None:
        async with http.AsyncClient(trust_env=False) as transport:
            made = openai.AsyncOpenAI(api_key="k", base_url=closed, max_retries=0, http_client=transport)
            await made.chat.completions.create(model="m", messages=[], stream=True)

    with pytest.raises(openai.APIConnectionError) as raised:
        asyncio.run(ask())
    assert l0.categorize_error(raised.value) is C.NETWORK
    assert analyze_network_error(raised.value).type is NetworkErrorType.ECONNREFUSED


def test_credentials_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(openai.OpenAIError) as raised:
        openai.OpenAI().chat.completions.create(model="m", messages=[])
    assert l0.categorize_error(raised.value) is C.FATAL


def test_a_token_that_could_not_be_fetched_is_as_good_as_its_cause() -> None:
    kind: Any = SDK["SubjectTokenProviderError"]
    unreachable = kind("Failed to fetch the token")
    unreachable.__cause__ = http.ConnectTimeout("")
    assert l0.categorize_error(unreachable) is C.TRANSIENT
    assert l0.categorize_error(kind("Failed to fetch the token", response=answer(503))) is C.TRANSIENT
    assert l0.categorize_error(kind("Failed to fetch the token", response=answer(403))) is C.FATAL
