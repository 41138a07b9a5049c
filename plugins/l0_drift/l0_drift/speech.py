"""What a model says of itself and of its answer where the answer should be."""

from __future__ import annotations

import re

__all__ = ["HEADS", "agrees", "begins", "begins_json", "breaks_json", "chats", "comments", "connects", "opens"]

_I_CANNOT = r"I(?: cannot| can['’]?t| can not|['’]m unable to| am unable to|['’]m not able to| am not able to)"
_KIND_OF_AI = r"(?: (?:language )?(?:model|assistant|system|chatbot|program))"
_MADE_BY = r"(?: (?:trained|developed|created|made|built) by [\w ]{1,30})"
_COMMENT = re.compile(
    rf"As an? (?:AI{_KIND_OF_AI}?|(?:large )?language model){_MADE_BY}?,? (?:I|my)\b"
    rf"|I(?:['’]m| am)(?: just| only)? an? (?:AI{_KIND_OF_AI}?|(?:large )?language model){_MADE_BY}?"
    r"(?:[,.;!]|\Z| (?:and|so|that|without|trained|created|designed)\b)"
    rf"|{_I_CANNOT} actually (?:access|browse|check|connect|hear|look|open|read|retrieve|run|execute|search|see|send"
    r"|verify|view|watch)\b"
    r"|I (?:don['’]?t|do not) have personal (?:belief|emotion|experience|feeling|memor|opinion|preference|thought|view)"
    r"|(?:I apologi[sz]e|I['’]m (?:very |so |really )?sorry|I am (?:very |so |really )?sorry|Apologies|Sorry)"
    r"(?: for (?:any|the) \w+)?,? but (?:"
    rf"{_I_CANNOT} (?:actually )?(?:access|answer|assist|browse|complete|comply|continue|create|discuss|do that|engage"
    r"|fulfil|generate|give|help (?:you )?with|process|produce|provide|respond|share|support|write)"
    r"|I (?:don['’]?t|do not) have (?:access|the ability|enough information|real-time)"
    r"|(?:I['’]m|I am) (?:just |only )?an? (?:AI|language model)|as an? (?:AI|language model))\b"
)
# By themselves these belong to any explanation.
_CONNECTION = re.compile(r"(?:Let me (?:explain|clarify)|To clarify|In other words)\b")
_AGREEMENT = re.compile(r"(?:Sure(?: thing)?|Certainly|Of course|Absolutely)[!.,]?")
_OPENER = re.compile(
    r"(?:Here(?:['’]s| is| are) (?:the|your|an?|my|some)\b.+?|(?:Let me|I['’]ll) .+? for you\b.*|Here you go.*)[:.!]"
)
_BEGINNING = re.compile(
    r"(?:Here(?:['’]s| is| are| you go)|I['’]d be|I would be|I can\b|I['’]ll|Let me|Let['’]s|Below|The following)\b"
)
_CHAT = re.compile(
    r"(?:Here(?:['’]s| is| are) (?:the|your|an?)\b.{0,40}\b"
    r"(?:rest|remaining|remainder|updated|corrected|completed?|continuation|final|full|you (?:asked|requested))\b"
    r"|Let me .+? for you\b|I['’]ll .+? for you\b|Here you go\b|I hope this helps|Let me know if"
    r"|(?:Sure|Certainly|Of course|Absolutely)[!,.](?: |\Z))"
)
_JSON = re.compile(r'\{\s*(?:["}]|\Z)|\[\s*(?:[{"\]]|\Z|-?\d+\s*(?:,|\Z)|\[\s*["{\d-])')
_WORDS = re.compile(r"[A-Z][\w'’-]*[,!:]?(?: [\w'’(),!:-]+){3,}")

HEADS = frozenset(
    "As a|I'm |I’m |I am|I ca|I do|I ap|Apol|Sorr|Let |To c|In o|Sure|Cert|Of c|Abso|Here|I'll|I’ll|I ho".split("|")
)
"""The first four characters of every sentence that these functions know."""


def comments(sentence: str) -> bool:
    """Whether the speaker is the model, and speaks of what it is or cannot do."""
    return _COMMENT.match(sentence) is not None


def connects(sentence: str) -> bool:
    """Whether a sentence announces an explanation, in one of the documented phrases."""
    return _CONNECTION.match(sentence) is not None


def agrees(sentence: str) -> bool:
    """Whether a sentence does nothing but agree to do what was asked."""
    return _AGREEMENT.fullmatch(sentence) is not None


def opens(sentence: str) -> bool:
    """Whether a sentence does nothing but announce what was asked for."""
    return _OPENER.fullmatch(sentence) is not None


def begins(sentence: str) -> bool:
    """Whether an answer could begin with this sentence, after agreeing to give it."""
    return _BEGINNING.match(sentence) is not None


def chats(line: str) -> bool:
    """Whether a line speaks to the user of the answer."""
    return _CHAT.match(line) is not None or comments(line)


def begins_json(line: str) -> bool:
    """Whether a line can be the first of a JSON object or array."""
    return _JSON.match(line) is not None


def breaks_json(line: str, previous: str) -> bool:
    """Whether a line of words stands where JSON must go on. A line break is never inside a JSON string."""
    return previous[-1:] in (",", ":", "{", "[") and _WORDS.match(line) is not None
