"""What L0 makes of LiteLLM's exceptions: whether another attempt can help."""

from __future__ import annotations

from typing import Any

import httpx
import l0
import litellm
import pytest
from l0_testing import Fault, FaultServer, Script
from litellm import exceptions
from litellm.types.router import RouterRateLimitError
from litellm_calls import AT_ONCE, MESSAGES, TEXT, completion, deployment, run

C = l0.ErrorCategory
REQUEST = httpx.Request("POST", "http://127.0.0.1/v1")
SAID: dict[str, Any] = {"message": "m", "llm_provider": "openai", "model": "m"}


def answer(status: int) -> dict[str, Any]:
    return {**SAID, "response": httpx.Response(status, request=REQUEST)}


RESTING = RouterRateLimitError(model="m", cooldown_time=5.0, enable_pre_call_checks=False, cooldown_list=["a"])
RESTING.type = "all_deployments_in_cooldown"  # As it is where a router makes it.
BROKEN_OFF = exceptions.APIConnectionError(**SAID)

ERRORS = [
    (exceptions.RateLimitError(**SAID), C.TRANSIENT),
    (exceptions.RateLimitError(**answer(429)), C.TRANSIENT),
    (exceptions.Timeout(**SAID), C.TRANSIENT),
    (exceptions.ServiceUnavailableError(**SAID), C.TRANSIENT),
    (exceptions.BadGatewayError(**SAID), C.TRANSIENT),
    (exceptions.InternalServerError(**SAID), C.TRANSIENT),
    (exceptions.APIError(status_code=529, **SAID), C.TRANSIENT),
    (exceptions.APIResponseValidationError(**SAID), C.TRANSIENT),
    (exceptions.MidStreamFallbackError(**SAID), C.TRANSIENT),
    (exceptions.MidStreamFallbackError(original_exception=exceptions.RateLimitError(**SAID), **SAID), C.TRANSIENT),
    (exceptions.APIError(status_code=402, **SAID), C.FATAL),
    (exceptions.AuthenticationError(**SAID), C.FATAL),
    (exceptions.PermissionDeniedError(**answer(403)), C.FATAL),
    (exceptions.NotFoundError(**SAID), C.FATAL),
    (exceptions.BadRequestError(**SAID), C.FATAL),
    (exceptions.UnprocessableEntityError(**answer(422)), C.FATAL),
    (exceptions.UnsupportedParamsError(**SAID), C.FATAL),
    (exceptions.ContextWindowExceededError(**SAID), C.FATAL),
    (exceptions.ContentPolicyViolationError(**SAID), C.FATAL),
    (exceptions.RejectedRequestError(request_data={}, **SAID), C.FATAL),
    (exceptions.BudgetExceededError(2.0, 1.0), C.FATAL),
    (exceptions.LiteLLMUnknownProvider("m"), C.FATAL),
    (exceptions.GuardrailRaisedException("pii", "no"), C.FATAL),
]


def name_of(value: object) -> str:
    return type(value).__name__ if isinstance(value, Exception) else str(getattr(value, "value", value))


@pytest.mark.parametrize(("error", "category"), ERRORS, ids=name_of)
def test_an_exception(error: Exception, category: C) -> None:
    assert l0.categorize_error(error) is category


def test_a_spent_quota_is_no_rate_limit(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("429_quota")] * 9))

    async def main() -> None:
        with pytest.raises(litellm.RateLimitError):
            await (await l0.run(completion(fault_server), retry=AT_ONCE)).read()
        assert len(fault_server.requests) == 1

    run(main())


def test_a_router_whose_deployments_all_rest_is_waited_for(fault_server: FaultServer) -> None:
    models = ["one", "two"]
    for model in models:
        fault_server.add(model, Script(TEXT, faults=[Fault("429")]))

    async def main() -> None:
        group = [deployment(fault_server.base_url, "m", model) for model in models]
        client = l0.wrap(litellm.Router(model_list=group, cooldown_time=0.5), retry=AT_ONCE)
        stream = await client.acompletion(model="m", messages=MESSAGES, stream=True)
        assert await stream.read() == TEXT
        assert sorted(log.model for log in fault_server.requests[:2]) == models
        assert [type(error) for error in stream.errors[2:]] == [RouterRateLimitError]

    run(main())


def test_a_connection_that_broke_is_an_error_of_the_network() -> None:
    assert l0.categorize_error(BROKEN_OFF) is C.NETWORK


def test_a_connection_that_broke_in_the_middle_is_an_error_of_the_network() -> None:
    error = exceptions.MidStreamFallbackError(original_exception=BROKEN_OFF, **SAID)
    assert l0.categorize_error(error) is C.NETWORK


def test_what_will_not_change_is_fatal_within_a_stream_too(fault_server: FaultServer) -> None:
    fault_server.add("m", Script(TEXT, faults=[Fault("err_data_fatal", at=4)] * 9))

    async def main() -> None:
        with pytest.raises(litellm.ServiceUnavailableError) as caught:
            await (await l0.run(completion(fault_server), retry=AT_ONCE)).read()
        assert l0.categorize_error(caught.value) is C.FATAL

    run(main())


def test_a_router_at_rest_is_busy() -> None:
    assert l0.categorize_error(RESTING) is C.TRANSIENT
