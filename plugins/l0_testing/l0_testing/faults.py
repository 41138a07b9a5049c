"""The catalogue of faults: what can go wrong around a token stream, and what is right then.

The numbers are the catalogue's: H for the connection and HTTP before the body, S for the body and its server-sent
events, P for what a provider says. Each kind is a coroutine function that handles one `Reply`, registered in `kinds`
when its module is imported.
"""

# In the order of the catalogue, which the registry keeps.
# isort: off
from l0_testing import http_faults  # noqa: F401
from l0_testing import body_faults  # noqa: F401
from l0_testing import provider_faults  # noqa: F401
from l0_testing.kinds import FAULTS, FaultKind, Layer, Outcome

__all__ = ["FAULTS", "FaultKind", "Layer", "Outcome"]
