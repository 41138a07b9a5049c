"""The demonstration: a real client over a real socket, and a record of everything that happened on the way."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from http.client import responses
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from l0_cli.terminal import CommandError, one_line

if TYPE_CHECKING:
    import l0
    import openai
    from l0_testing import FaultServer

__all__ = ["MODELS", "OVERLAP", "PACE", "TEXT", "Attempt", "Proof", "Story", "play_endpoint", "play_script", "require"]

TEXT = """\
A stream of tokens is a promise made one word at a time, and the road between you and the model keeps it badly. \
Connections break in the middle of a sentence, servers ask for patience, a socket falls silent, and now and then an \
answer simply stops, cleanly, as if it had been whole.

What you are reading came through all of that. The model was told what you already had and went on from there, and \
what it repeated was cut at the seam, to the character, 流 and 🌊 included. Then it was gone, and another model \
finished its sentence. Nothing was said twice, and nothing was taken back."""

FAULTS: tuple[tuple[str, int, float], ...] = (
    ("rst_mid", 2, 0.0),
    ("429_ra", 0, 0.5),
    ("stall_mid", 33, 0.0),
    ("trunc_clean", 48, 0.0),
    ("err_data", 75, 0.0),
    ("404", 0, 0.0),
)
"""What goes wrong at each request to the first model: the kind, before which token, and what a Retry-After asks for in
seconds. The first break leaves too little to go on from.
"""

OVERLAP = 40
"""Characters of what it is to continue that a scripted model repeats first."""

PACE = 0.03
"""Seconds between the tokens of the scripted answer, where a person watches."""

MODELS = ("demo-large", "demo-small")
"""The scripted model, and the one that goes on when it is gone."""

PROMPT = "Explain in two short paragraphs what can go wrong with a stream of tokens."

GO_ON = (
    f"Your answer was cut off. Continue it: repeat its last {OVERLAP} characters, and go on from there. "
    "Write nothing else."
)

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
    model: str
    before: int
    """What the consumer had when the attempt began."""
    new: int = 0
    sent: int | None = None
    resumed_from: int | None = None
    """After how much text the model was asked to go on; None where the whole answer was asked for."""
    overlap_cut: int | None = None
    """How much of what came was cut at the seam; None until that is decided."""
    state: str = "running"
    """`running`, `survived`, `failed`, or the stream's outcome: `complete` or `incomplete`."""
    fault: str | None = None
    error: str | None = None
    recovery: str | None = None
    """What followed a failure: `retry`, `continue`, `fallback` or `halt`."""
    wait: float | None = None
    """Seconds until the next attempt."""

    @property
    def repeated(self) -> int | None:
        """How much of what came the consumer already had: L0 compared it and kept it back."""
        if self.resumed_from is not None:
            return self.overlap_cut
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
    withdrawn: int
    requests: dict[str, int]
    """How many requests the server counted, by model."""
    expected_requests: dict[str, int]
    open_responses: int
    """Responses still in progress 100 ms after the text was complete."""
    open_connections: int
    """Connections still open after the client was closed."""

    @property
    def holds(self) -> bool:
        """Whether every clause of the promise was kept."""
        return (
            self.text_equal
            and self.delivered_twice == self.withdrawn == 0
            and self.requests == self.expected_requests
            and self.open_responses == self.open_connections == 0
        )


@dataclass(slots=True)
class Story:
    """What a consumer of one stream received and what its callbacks were told, as it happens."""

    endpoint: str = ""
    scripted: bool = True
    models: tuple[str, ...] = MODELS
    """The models that are asked, in order."""
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
    _state: l0.State | None = None
    _source: int = 0

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
                    "model": attempt.model,
                    "state": attempt.state,
                    "fault": attempt.fault,
                    "error": attempt.error,
                    "recovery": attempt.recovery,
                    "resumed_from": attempt.resumed_from,
                    "overlap_cut": attempt.overlap_cut,
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
        self.attempts.append(Attempt(len(self.attempts) + 1, self.models[self._source], len(self.text)))

    def receive(self, event: l0.Event) -> None:
        """Take an event as any consumer of a stream does."""
        if event.type == "token" and event.text:
            self._pieces.append(event.text)
            self.handed += len(event.text)
            self.attempts[-1].new += len(event.text)
            self.look_at_seam()
        elif event.type == "reset":
            text, keep = self.text, (event.data or {})["keep"]
            self.withdrawn += len(text) - keep
            self._pieces[:] = [text[:keep]]

    def look_at_seam(self) -> None:
        """Note what was cut where the attempt under way goes on, once that is decided."""
        attempt, state = self.attempts[-1], self._state
        if state is None or attempt.resumed_from is None or attempt.overlap_cut is not None:
            return
        if state.overlap_removed is not None:
            attempt.overlap_cut = len(state.overlap_removed)
        elif attempt.new:
            attempt.overlap_cut = 0

    def on_resume(self, checkpoint: str, token_count: int) -> None:
        """The callback of that name: the model is asked to go on."""
        self.attempts[-1].resumed_from = len(checkpoint)

    def on_error(self, error: BaseException, will_retry: bool, will_fallback: bool) -> None:
        """The callback of that name: an attempt failed."""
        self.refresh()
        self.look_at_seam()
        attempt = self.attempts[-1]
        attempt.state = "survived" if will_retry or will_fallback else "failed"
        attempt.fault, attempt.error = describe(error), name_of(error)

    def on_event(self, event: l0.ObservabilityEvent) -> None:
        """The callback of that name: what follows a failure, and after what wait, is told here."""
        if event.type == "ERROR":
            self.attempts[-1].recovery = event.meta["recoveryStrategy"]
        elif event.type == "RETRY_ATTEMPT":
            self.attempts[-1].wait = event.meta["delay"]
            self.begin()
        elif event.type == "FALLBACK_START":
            self._source = event.meta["toIndex"]
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
    if getattr(error, "body", None) is not None:
        return one_line(f"said in the stream: {error}")
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

    faults = [Fault(kind, at=at, seconds=seconds) for kind, at, seconds in FAULTS]
    with FaultServer.in_thread() as server:
        for model, suffered in zip(MODELS, (faults, ()), strict=True):
            server.add(model, Script(TEXT, faults=suffered, pace=pace, overlap=OVERLAP))
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

    await _receive(story, PROMPT, "none", completed, **options)
    await _settled(server, 1.0, connections=True)
    text = story.text
    story.proof = Proof(
        text_equal=text == TEXT,
        sha256=_sha256(text),
        expected_sha256=_sha256(TEXT),
        characters=len(text),
        expected_characters=len(TEXT),
        delivered_twice=max(0, story.handed - len(TEXT)),
        withdrawn=story.withdrawn,
        requests=dict(Counter(request.model for request in server.requests)),
        expected_requests=dict(zip(MODELS, (len(FAULTS), 1), strict=True)),
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

    story.endpoint, story.scripted, story.models = base_url, False, (model,)
    timeout = l0.Timeout(initial_token=60_000, inter_token=30_000)
    asyncio.run(_receive(story, prompt, api_key, timeout=timeout))


async def _receive(
    story: Story,
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
    model, *others = story.models
    messages = [{"role": "user", "content": prompt}]
    wrapped = l0.wrap(
        sdk,
        fallbacks=[_asking(sdk, other, messages) for other in others],
        continue_from_last_good_token=True,
        on_error=story.on_error,
        on_event=story.on_event,
        on_resume=story.on_resume,
        **options,
    )
    async with wrapped as client:
        story.begin()
        async with await client.chat.completions.create(model=model, messages=messages, stream=True) as stream:
            story._state = stream.state
            try:
                async for event in stream:
                    story.receive(event)
            except Exception as error:
                if story.attempts[-1].state != "failed":
                    raise
                story.failure = f"{name_of(error)}: {error}"
            story.refresh()
            story.look_at_seam()
            story.outcome, story.finish_reason = stream.state.outcome, stream.state.finish_reason
        if story.attempts[-1].state == "running" and story.outcome is not None:
            story.attempts[-1].state = story.outcome
        story.seconds = time.monotonic() - started
        if completed is not None:
            await completed()


def _asking(sdk: openai.AsyncOpenAI, model: str, messages: list[Any]) -> Callable[[l0.AttemptContext], Awaitable[Any]]:
    """A factory that asks a model for the answer, or for the rest of what the consumer has of it."""
    once = sdk.with_options(max_retries=0)

    def ask(attempt: l0.AttemptContext) -> Awaitable[Any]:
        asked = messages
        if attempt.kept:
            said = {"role": "assistant", "content": attempt.kept}
            asked = [*messages, said, {"role": "user", "content": GO_ON}]
        return once.chat.completions.create(model=model, messages=asked, stream=True)

    return ask
