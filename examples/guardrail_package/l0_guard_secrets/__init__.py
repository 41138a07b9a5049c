"""A guardrail for L0: `Secrets` finds e-mail addresses and keys in answers, as they arrive."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from l0_core import AttemptContext, Check, Violation, hookimpl

__all__ = ["LONGEST", "Secrets"]

LONGEST = 254
"""Characters that an address or a key may have; no e-mail address is longer."""

WORD = string.ascii_letters + string.digits + "._%+-@"
"""What addresses and keys are made of. Anything else ends them."""

_KEYS = {
    "An API key": r"sk-[A-Za-z0-9_-]{20,}",
    "An access key of AWS": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "A token of GitHub": r"gh[opsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    "A token of Slack": r"xox[abpr]-[A-Za-z0-9-]{10,}",
}
_EMAIL = rf"[{re.escape(WORD)}]+@(?P<domain>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{{2,}})"

# A secret begins where a word does, and the length of the word bounds what a search can cost.
_SECRET = re.compile(
    rf"(?<![{re.escape(WORD)}])(?=[{re.escape(WORD)}]{{6,{LONGEST}}}(?![{re.escape(WORD)}]))"
    rf"(?:{'|'.join(f'({pattern})' for pattern in _KEYS.values())}|{_EMAIL})"
)


class Secrets:
    """Finds e-mail addresses and keys, which an answer must not hold. A violation names the kind, never the secret."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Addresses at `allowed_domains`, and at their subdomains, are not objected to. Raises ValueError for an @."""

        allowed_domains: tuple[str, ...] = ()

        def __post_init__(self) -> None:
            for domain in self.allowed_domains:
                if "@" in domain:
                    raise ValueError(f"allowed_domains has {domain!r}; a domain is what follows the @")

    def __init__(self, options: Options | None = None) -> None:
        domains = (options or self.Options()).allowed_domains
        self._allowed = tuple(f".{domain.lower().lstrip('.')}" for domain in domains)

    @hookimpl
    def check(self, ctx: AttemptContext) -> Check:
        # One object serves many streams at once: what belongs to one answer is here.
        held, seen = "", 0

        def judge(delta: str, final: bool) -> list[Violation]:
            nonlocal held, seen
            text, begin = held + delta, seen - len(held)
            seen += len(delta)
            # The last word may go on in the next piece. It is judged when it is over.
            over = len(text) if final else len(text.rstrip(WORD))
            # Of a word that is too long to be a secret as much is kept as shows that it is.
            held = text[over : over + LONGEST + 1]
            return list(self._found(text[:over], begin))

        return Check(judge, holdback=LONGEST)

    def _found(self, text: str, begin: int) -> Iterator[Violation]:
        for found in _SECRET.finditer(text):
            kind = "An e-mail address"
            if found["domain"] is None:
                kind = next(kind for kind, secret in zip(_KEYS, found.groups(), strict=False) if secret)
            elif f".{found['domain'].lower()}".endswith(self._allowed):
                continue
            yield Violation("secrets", kind, position=begin + found.start(), suggestion="Leave it out, or ask for it")
