"""`run()` and `wrap()`: from what a caller has to a dependable stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from l0_core.errors import AdapterNotFound
from l0_core.hookspecs import ClientAdapter, Continued
from l0_core.options import Retry, Timeout
from l0_core.plugins import registry
from l0_core.session import Session
from l0_core.settings import OPTIONS, compile_settings
from l0_core.stream import LazyStream, Stream

if TYPE_CHECKING:
    from typing import Unpack

    from l0_core.attempt import Attempt
    from l0_core.run_options import RunOptions
    from l0_core.state import State

__all__ = ["WrappedClient", "run", "take_up", "wrap", "wrap_client"]


async def run(
    stream: Any,
    *,
    fallbacks: Iterable[Any] | None = None,
    stream_id: str | None = None,
    **options: Unpack[RunOptions],
) -> Stream:
    """Make a dependable stream of a factory that opens one.

    `stream` is called on first iteration and again for each retry: without an argument, or with the attempt if it takes
    one (`number`, `source`, `kept`, `deadline`, `idempotency_key`). `fallbacks` are further factories, tried in order.
    `stream_id` is the name under which the stream is recorded, a UUIDv7 unless given. Errors come where the stream is
    consumed.
    """
    return Stream(Session((stream, *(fallbacks or ())), compile_settings(options), stream_id))


def take_up(
    begun: State,
    stream: Any,
    *,
    fallbacks: Iterable[Any] | None = None,
    stream_id: str | None = None,
    **options: Unpack[RunOptions],
) -> Stream:
    """Go on with a stream that was begun elsewhere: `begun` is what its consumer has, and what it gets is what follows.

    The first attempt continues, verifies or withdraws that, as after an interruption. One whose `outcome` is known has
    ended.
    """
    return Stream(Session((stream, *(fallbacks or ())), compile_settings(options), stream_id, begun))


def wrap(client_or_stream: Any, *, fallbacks: Iterable[Any] | None = None, **options: Unpack[RunOptions]) -> Any:
    """Make a client or a raw stream dependable.

    Of a client, the streaming calls that an installed adapter knows are taken over; everything else reaches it
    untouched. A raw stream becomes a `LazyStream`: it can be watched, checked and closed, and not retried.

    Returns a `WrappedClient` or a `LazyStream`. To type checkers it is anything, so that a wrapped client goes wherever
    its client goes.

    Raises AdapterNotFound for an object that no adapter knows as a client and that is no stream, and TypeError for a
    factory of streams, which goes to `run`, and for a raw stream with fallbacks.
    """
    adapter = _client_adapter(client_or_stream)
    if adapter is not None:
        return WrappedClient(client_or_stream, adapter, options, fallbacks)
    if _is_stream(client_or_stream):
        if fallbacks:
            raise TypeError("a raw stream has no fallbacks; give factories to l0.run()")
        return LazyStream(client_or_stream, **options)
    kind = type(client_or_stream)
    what = f"{kind.__module__}.{kind.__qualname__}"
    if callable(client_or_stream):
        raise TypeError(f"wrap() takes a client or a stream, not a {what}; a factory of streams goes to l0.run()")
    raise AdapterNotFound(
        f"wrap() got a {what}: no installed adapter knows it as a client, and it is not an async iterator"
    )


def wrap_client(client: Any, *, fallbacks: Iterable[Any] | None = None, **options: Unpack[RunOptions]) -> WrappedClient:
    """`wrap` for what must be a client. Raises AdapterNotFound if no adapter knows it as one."""
    adapter = _client_adapter(client)
    if adapter is None:
        raise AdapterNotFound(
            f"no installed adapter knows a {type(client).__module__}.{type(client).__qualname__} as a client"
        )
    return WrappedClient(client, adapter, options, fallbacks)


def _is_stream(thing: Any) -> bool:
    return hasattr(thing, "__aiter__") or hasattr(thing, "__await__") or hasattr(thing, "__anext__")


def _client_adapter(client: Any) -> ClientAdapter | None:
    found = (found for found in registry().recognitions(None, client) if hasattr(found, "paths"))
    return next(found, None)


class WrappedClient:
    """A client whose streaming calls return dependable streams. Everything else is the client's own.

    Raises ValueError for a `ContinuationConfig.strategy` that its adapter does not know.
    """

    def __init__(
        self, client: Any, adapter: ClientAdapter, options: Mapping[str, Any], fallbacks: Iterable[Any] | None = None
    ) -> None:
        self._client = client
        self._adapter = adapter
        self._options = options
        self._fallbacks = tuple(fallbacks or ())
        self._settings = compile_settings(self._options, Retry.recommended)
        continuation = self._settings.continuation
        if continuation is not None and continuation.strategy not in (None, *adapter.strategies):
            names = ", ".join(map(repr, adapter.strategies))
            raise ValueError(f"unknown strategy {continuation.strategy!r}; {adapter.name} knows {names}")
        self._for_streams = adapter.for_streams(client)

    @property
    def unwrapped(self) -> Any:
        """The client itself."""
        return self._client

    def with_options(self, **options: Any) -> WrappedClient:
        """The same client with other options: L0's own, and the SDK's for all names that are not.

        None leaves an option of L0's as it is.
        """
        known = OPTIONS | {"fallbacks"}
        ours = {
            name: value
            for name, value in options.items()
            if value is not None and name in known and not (name == "timeout" and not isinstance(value, Timeout))
        }
        theirs = {
            name: value
            for name, value in options.items()
            if name not in known or (name == "timeout" and value is not None and name not in ours)
        }
        client = self._client.with_options(**theirs) if theirs else self._client
        fallbacks: Any = ours.pop("fallbacks", self._fallbacks)
        return WrappedClient(client, self._adapter, {**self._options, **ours}, fallbacks)

    def __getattr__(self, name: str) -> Any:
        return _reach(self, name, getattr(self._client, name))

    async def __aenter__(self) -> WrappedClient:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *left: Any) -> None:
        await self._client.__aexit__(*left)

    def __repr__(self) -> str:
        return f"<l0.WrappedClient of {self._client!r}>"

    def _call(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call: Callable[..., Any] = _at(self._client, path)
        if not self._adapter.streams(path, kwargs):
            return call(*args, **kwargs)
        create = _Call(self, path, args, kwargs)
        return _opened(Stream(Session((create, *self._fallbacks), self._settings)))


class _Call:
    """One call of a wrapped client, as the factory of its stream."""

    __slots__ = ("_args", "_client", "_kwargs", "_path", "_strategy")

    takes_attempt = True

    def __init__(self, client: WrappedClient, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._client, self._path, self._args, self._kwargs = client, path, args, kwargs
        self._strategy = 0

    @property
    def provider(self) -> str:
        """Whose budget a retry takes from: all clients of the same address share it."""
        return str(getattr(self._client.unwrapped, "base_url", None) or type(self._client.unwrapped))

    def _strategies(self) -> tuple[str, ...]:
        """The ways to ask for a continuation that are left."""
        client = self._client
        continuation, known = client._settings.continuation, client._adapter.strategies
        chosen = continuation.strategy if continuation is not None else None
        ways = known[:1] if chosen in (None, *known[:1]) else (str(chosen), *known[:1])
        return ways[self._strategy :]

    def _continued(self, kept: str) -> Continued | None:
        adapter, ways = self._client._adapter, self._strategies()
        build = self._client._settings.continuation_prompt
        if build is not None:
            return adapter.prompted(self._path, self._kwargs, build(kept))
        return adapter.continuing(self._path, self._kwargs, kept, ways[0]) if ways else None

    def can_continue(self) -> bool:
        return self._continued("?") is not None

    def ask_otherwise(self) -> bool:
        """The last way to ask was refused: go on to the next; False if there is none."""
        self._strategy += 1
        return self._client._settings.continuation_prompt is None and bool(self._strategies())

    def __call__(self, attempt: Attempt) -> Any:
        kwargs: Mapping[str, Any] = self._kwargs
        if attempt.kept:
            continued = self._continued(attempt.kept)
            assert continued is not None
            kwargs, attempt.exact = continued.kwargs, continued.exact
        return _at(self._client._for_streams, self._path)(*self._args, **kwargs)


async def _opened(stream: Stream) -> Stream:
    """Awaited where the SDK's own call would be. The provider is called on first iteration."""
    return stream


def _at(client: Any, path: str) -> Any:
    for name in path.split("."):
        client = getattr(client, name)
    return client


def _reach(wrapped: WrappedClient, path: str, found: Any) -> Any:
    """What stands at a path below a wrapped client."""
    paths = wrapped._adapter.paths
    if path in paths:

        def call(*args: Any, **kwargs: Any) -> Awaitable[Any]:
            return wrapped._call(path, args, kwargs)  # type: ignore[no-any-return]

        return call
    if any(known.startswith(f"{path}.") for known in paths):
        return _Below(wrapped, path, found)
    return found


class _Below:
    """A part of a wrapped client on the way to a call that is taken over."""

    def __init__(self, wrapped: WrappedClient, path: str, part: Any) -> None:
        self._wrapped, self._path, self._part = wrapped, path, part

    def __getattr__(self, name: str) -> Any:
        return _reach(self._wrapped, f"{self._path}.{name}", getattr(self._part, name))

    def __repr__(self) -> str:
        return repr(self._part)
