"""The demonstration: a real client over a real socket, and a record of everything that happened on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from http.client import responses
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from l0_cli.terminal import CommandError, one_line

if TYPE_CHECKING:
    import l0
    from l0_testing import FaultServer

__all__ = ["PACE", "TEXT", "Attempt", "Proof", "Story", "play_endpoint", "play_script", "require"]

TEXT = """\
A stream of tokens is a promise made one word at a time, and the road between you and the model keeps it badly. \
Connections break in the middle of a sentence, servers ask for patience, a socket falls silent, and now and then an \
answer simply stops, cleanly, as if it had been whole.

What you are reading came through all of that. Each time the question was asked again; what you already had was \
compared with what came back, character by character, 流 and 🌊 included, and only the rest was let through. Nothing \
was said twice, and nothing was taken back."""

FAULTS: tuple[tuple[str, int, float] | None, ...] = (
    ("rst_mid", 18, 0.0),
    ("429_ra", 0, 0.5),
    ("stall_mid", 45, 0.0),
    ("trunc_clean", 80, 0.0),
    ("503", 0, 0.0),
    None,
)
"""What goes wrong at each attempt: the kind, before which token, and what a Retry-After asks for in seconds."""

PACE = 0.022
"""Seconds between the tokens of the scripted answer, where a person watches."""

MODEL = "demo"
PROMPT = "Explain in two short paragraphs what can go wrong with a stream of tokens."

_PACKAGES = {"openai": "openai", "l0_openai": "l0-openai", "l0_testing": "l0-testing"}


def require(*modules: str) -> None:
    """Raise CommandError, with what to install, unless every module is there. Imports none of them."""
    missing = [_PACKAGES[module] for module in modules if find_spec(module) is None]
    if missing:
        raise CommandError(f'the demo needs {" and ".join(missing)}, not installed here: pip install "l0-cli[demo]"')


@dataclass(slots=True)
class Attempt:
    """One request, and what became of it. Characters are counted; `sent` is None where no server tells."""

    number: int
    before: int
    """What the consumer had when the attempt began."""
    new: int = 0
    sent: int | None = None
    state: str = "running"
    """`running`, `survived`, `failed`, or the stream's outcome: `complete` or `incomplete`."""
    fault: str | None = None
    error: str | None = None
    wait: float | None = None
    """Seconds until the next attempt."""

    @property
    def repeated(self) -> int | None:
        """How much of what came the consumer already had: L0 compared it and kept it back."""
        return None if self.sent is None else min(self.sent, self.before)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the script's text, the server's log and the consumer's text say of each other."""

    text_equal: bool
    sha256: str
    expected_sha256: str
    characters: int
    expected_characters: int
    delivered_twice: int
    """Characters handed to the consumer beyond those of the text."""
    requests: int
    expected_requests: int
    open_responses: int
    """Responses still in progress 100 ms after the text was complete."""
    open_connections: int
    """Connections still open after the client was closed."""

    @property
    def holds(self) -> bool:
        """Whether every clause of the promise was kept."""
        return (
            self.text_equal
            and self.delivered_twice == 0
            and self.requests == self.expected_requests
            and self.open_responses == self.open_connections == 0
        )


@dataclass(slots=True)
class Story:
    """What a consumer of one stream received and what its callbacks were told, as it happens."""

    endpoint: str = ""
    scripted: bool = True
    attempts: list[Attempt] = field(default_factory=list)
    outcome: str | None = None
    finish_reason: str | None = None
    failure: str | None = None
    """The error that the consumer was left with."""
    handed: int = 0
    """Characters that the consumer was handed in all, withdrawn ones included."""
    withdrawn: int = 0
    seconds: float = 0.0
    proof: Proof | None = None
    _pieces: list[str] = field(default_factory=list)
    _sent: Callable[[int], int | None] = lambda number: None

    @property
    def text(self) -> str:
        """The text as the consumer has it."""
        return "".join(self._pieces)

    @property
    def succeeded(self) -> bool:
        """Whether the text is complete and, where there is one, the proof holds."""
        return self.outcome == "complete" and (not self.scripted or (self.proof is not None and self.proof.holds))

    def refresh(self) -> None:
        """Ask the server what it has sent in the attempt under way."""
        if self.attempts and (sent := self._sent(self.attempts[-1].number)) is not None:
            self.attempts[-1].sent = sent

    def as_json(self) -> dict[str, Any]:
        """The story for programs."""
        return {
            "endpoint": self.endpoint,
            "scripted": self.scripted,
            "outcome": self.outcome,
            "finish_reason": self.finish_reason,
            "failure": self.failure,
            "seconds": round(self.seconds, 3),
            "text": self.text,
            "withdrawn": self.withdrawn,
            "attempts": [
                {
                    "number": attempt.number,
                    "state": attempt.state,
                    "fault": attempt.fault,
                    "error": attempt.error,
                    "repeated": attempt.repeated,
                    "new": attempt.new,
                    "wait_seconds": attempt.wait,
                }
                for attempt in self.attempts
            ],
            "proof": None if self.proof is None else {"holds": self.proof.holds, **asdict(self.proof)},
        }

    # What the stream tells.

    def begin(self) -> None:
        """A request is about to be made."""
        self.attempts.append(Attempt(len(self.attempts) + 1, len(self.text)))

    def receive(self, event: l0.Event) -> None:
        """Take an event as any consumer of a stream does."""
        if event.type == "token" and event.text:
            self._pieces.append(event.text)
            self.handed += len(event.text)
            self.attempts[-1].new += len(event.text)
        elif event.type == "reset":
            text, keep = self.text, (event.data or {})["keep"]
            self.withdrawn += len(text) - keep
            self._pieces[:] = [text[:keep]]

    def on_error(self, error: BaseException, will_retry: bool, will_fallback: bool) -> None:
        """The callback of that name: an attempt failed."""
        self.refresh()
        attempt = self.attempts[-1]
        attempt.state = "survived" if will_retry or will_fallback else "failed"
        attempt.fault, attempt.error = describe(error), name_of(error)

    def on_event(self, event: l0.ObservabilityEvent) -> None:
        """The callback of that name; the wait before a retry is told here."""
        if event.type == "RETRY_ATTEMPT":
            self.attempts[-1].wait = event.meta["delay"]
            self.begin()


def describe(error: BaseException) -> str:
    """What went wrong, as a person would say it."""
    import l0

    if isinstance(error, l0.TimeoutError):
        if error.timeout_type == "inter_token":
            return f"fell silent for {error.timeout_seconds:g} s"
        return f"nothing came within {error.timeout_seconds:g} s"
    if isinstance(error, l0.Truncated):
        return "ended without proof of being whole"
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is not None and isinstance(status, int):
        wait = response.headers.get("retry-after")
        named = f"{status} {responses.get(status, '')}".strip()
        return one_line(f"{named}, wait {wait} s" if wait else named)
    if l0.categorize_error(error) is l0.ErrorCategory.NETWORK:
        return "no connection" if _never_connected(error) else "the connection broke"
    return one_line(str(error) or type(error).__name__)


def _never_connected(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectionRefusedError"):
            return True
        error = error.__cause__ or error.__context__
    return False


def name_of(error: BaseException) -> str:
    """The type of an error, by the package that a user knows it from."""
    package = type(error).__module__.partition(".")[0]
    return f"{'l0' if package == 'l0_core' else package}.{type(error).__name__}"


def play_script(story: Story, pace: float) -> None:
    """Let a server on loopback misbehave as scripted, and prove what reached the consumer. `pace` is in seconds."""
    import l0
    from l0_testing import Fault, FaultServer, Script

    faults = [fault and Fault(fault[0], at=fault[1], seconds=fault[2]) for fault in FAULTS]
    with FaultServer.in_thread() as server:
        server.add(MODEL, Script(TEXT, faults=faults, pace=pace))
        story.endpoint = server.base_url
        story._sent = lambda number: len(server.requests[number - 1].text) if number <= len(server.requests) else None
        retry = l0.Retry(max_retries=len(FAULTS), base_delay=0.2, strategy=l0.BackoffStrategy.FIXED)
        timeout = l0.Timeout(initial_token=5000, inter_token=400)
        asyncio.run(_scripted(story, server, timeout=timeout, retry=retry))


async def _scripted(story: Story, server: FaultServer, **options: Any) -> None:
    open_responses = 0

    async def completed() -> None:
        nonlocal open_responses
        await _settled(server, 0.1, connections=False)
        open_responses = server.open_streams

    await _receive(story, MODEL, PROMPT, "none", completed, **options)
    await _settled(server, 1.0, connections=True)
    text = story.text
    story.proof = Proof(
        text_equal=text == TEXT,
        sha256=_sha256(text),
        expected_sha256=_sha256(TEXT),
        characters=len(text),
        expected_characters=len(TEXT),
        delivered_twice=max(0, story.handed - len(TEXT)),
        requests=len(server.requests),
        expected_requests=len(FAULTS),
        open_responses=open_responses,
        open_connections=server.open_connections,
    )


async def _settled(server: FaultServer, seconds: float, *, connections: bool) -> None:
    with contextlib.suppress(AssertionError):  # What is still open is counted, and shown.
        await server.idle(seconds, connections=connections)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def play_endpoint(story: Story, base_url: str, model: str, prompt: str, api_key: str) -> None:
    """Ask a real endpoint. Nothing is scripted, and so there is no text to compare with."""
    import l0

    story.endpoint, story.scripted = base_url, False
    timeout = l0.Timeout(initial_token=60_000, inter_token=30_000)
    asyncio.run(_receive(story, model, prompt, api_key, timeout=timeout))


async def _receive(
    story: Story,
    model: str,
    prompt: str,
    api_key: str,
    completed: Callable[[], Awaitable[None]] | None = None,
    **options: Any,
) -> None:
    """Consume one stream. A failure of the provider's is part of the story; any other is raised."""
    import l0
    import openai

    started = time.monotonic()
    # A proxy from the environment would be asked for the loopback address too.
    transport = openai.DefaultAsyncHttpxClient(trust_env=not story.scripted)
    sdk = openai.AsyncOpenAI(base_url=story.endpoint, api_key=api_key, http_client=transport)
    async with l0.wrap(sdk, on_error=story.on_error, on_event=story.on_event, **options) as client:
        story.begin()
        messages = [{"role": "user", "content": prompt}]
        async with await client.chat.completions.create(model=model, messages=messages, stream=True) as stream:
            try:
                async for event in stream:
                    story.receive(event)
            except Exception as error:
                if story.attempts[-1].state != "failed":
                    raise
                story.failure = f"{name_of(error)}: {error}"
            story.refresh()
            story.outcome, story.finish_reason = stream.state.outcome, stream.state.finish_reason
        if story.attempts[-1].state == "running" and story.outcome is not None:
            story.attempts[-1].state = story.outcome
        story.seconds = time.monotonic() - started
        if completed is not None:
            await completed()
