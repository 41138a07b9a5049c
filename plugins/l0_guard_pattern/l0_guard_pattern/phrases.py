"""The phrases that the rule `pattern` looks for: what a model says instead of answering, in six categories.

They are in English. Each is the beginning or the core of a phrase, with enough around it that the words alone do not
match: `As an AI, I` does, `as an AI researcher` does not. They begin and end at words; a phrase right after a backtick
or a curly quotation mark is quoted, and is passed over where the phrase is one that people quote.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

__all__ = ["BAD_PATTERNS", "CATEGORIES", "BadPatterns"]

_UNQUOTED = r"(?<![\w`“‘«])"
_I_AM = _UNQUOTED + r"i(?: am|['’]m)"
_CANNOT = _UNQUOTED + r"i can(?:not|['’]t| not)"

_META_COMMENTARY = [
    _UNQUOTED + r"as an ai(?: (?:language model|assistant|model|chatbot|system|developed|created|trained)\b|,? i\b|,)",
    _UNQUOTED + r"as a(?: large)? language model\b",
    _UNQUOTED + r"as an artificial intelligence(?:,| (?:language model|assistant|model|system)\b)",
    _I_AM
    + r"(?: just|)(?: an ai| an artificial intelligence| a language model| a large language model)\b"
    + r"(?! (?:researcher|engineer|scientist|student|enthusiast|developer|expert|company|safety)\b)",
    r"\bmy (?:training data|training cutoff|knowledge cutoff|knowledge base is)\b",
    r"\bi (?:was|am|have been) (?:trained on data|trained on a |trained by |programmed to |programmed by )",
    r"\bi (?:don['’]t|do not) have (?:any |)(?:personal|human|real|subjective) "
    r"(?:opinion|feeling|experience|belief|emotion|preference|thought)s?\b",
    r"\bi (?:don['’]t|do not) have access to (?:real-time|current|up-to-date|live|the internet|external)\b",
    r"\b(?:as of|since|up to|until) my (?:last|latest|most recent|knowledge|training) "
    r"(?:update|training|cutoff|data)\b",
    r"\bi hope (?:this|that) (?:helps|answers your question|clears things up|is helpful)\b",
]

_HEDGING = [
    r"^sure(?:[!,.:]|$| thing\b)",
    r"^certainly(?:[!,.:]|$)",
    r"^absolutely(?:[!,.:]|$)",
    r"^of course(?:[!,.:]|$)",
    r"^definitely(?:[!,.:]|$)",
    r"^no problem(?:[!,.:]|$)",
    r"^great (?:question|choice|idea)\b",
    r"^(?:that['’]s|what) an? (?:great|excellent|good|interesting|fascinating) question\b",
    r"^(?:i would|i['’]d) be (?:happy|glad|delighted|more than happy) to (?:help|assist)\b",
    r"^(?:happy|glad) to (?:help|assist)\b",
    r"^(?:thanks|thank you) for (?:asking|your question|your request|reaching out|sharing)\b",
]

_REFUSAL = [
    _CANNOT + r" (?:help|assist)(?: you)?(?: with (?:that|this|your)\b|[.!,])",
    _CANNOT
    + r" (?:comply|fulfill?|complete|satisfy|process|answer|respond to)(?: with|) (?:that|this|your|the request)\b",
    _CANNOT + r" (?:provide|offer|give|share|generate|create|write|produce)"
    r"(?: you|)(?: with|) (?:that|this|any|information|instructions|advice|content|medical|legal|financial|specific)\b",
    _I_AM
    + r" (?:unable|not able) to (?:help|assist|comply|provide|fulfill?|answer|complete|generate|create|discuss)\b",
    _I_AM + r"(?: so| very| really|) sorry,? but (?:i|as an)\b",
    _UNQUOTED + r"i (?:must|have to|will have to)(?: respectfully| politely|) (?:decline|refuse)\b",
    _UNQUOTED + r"i (?:apologi[sz]e|do apologi[sz]e),? but i\b",
    _UNQUOTED + r"i (?:won['’]t|will not)(?: be able to|) (?:help|assist|provide|comply|fulfill?|participate)\b",
    r"\b(?:against|violates?|violating|outside) my (?:programming|guidelines|policies|principles|ethical guidelines)\b",
    _I_AM + r" not (?:comfortable|permitted|allowed|authori[sz]ed|designed) (?:to|with|doing|discussing|providing)\b",
    r"\b(?:that|this|your) request (?:violates|goes against|is against|conflicts with|falls outside)\b",
    _UNQUOTED + r"i (?:don['’]t|do not) feel comfortable\b",
]

_INSTRUCTION_LEAK = [
    r"<\|[a-z_]{2,24}\|>",
    r"\[/?inst\]",
    r"<</?sys>>",
    r"^###? ?(?:instructions?|system(?: prompt)?|response|human|assistant|user) ?:",
    r"^system(?: prompt| message|) ?: ?you\b",
    r"^(?:human|assistant): ",
    r"\bmy (?:system|initial|hidden|internal|original) (?:prompt|message|instructions)\b",
    r"\bmy instructions (?:are|say|state|tell|require|forbid|prohibit)\b",
    _UNQUOTED + r"you are a (?:helpful|friendly|knowledgeable|harmless)(?:,? [a-z]{2,16}){0,2} assistant\b",
    r"\bi (?:was|am|have been) (?:instructed|configured|prompted) (?:to|not to|by)\b",
    r"\b(?:according to|as per|based on|following|per) my (?:instructions|guidelines|system prompt|programming)\b",
    r"\b(?:begin|end|start) (?:of |)(?:the |)(?:system prompt|system message|system instructions)\b",
]

_PLACEHOLDERS = [
    r"\[(?:insert|add|enter|put|include|fill in|specify) [^\]\n]{1,60}\]",
    r"\[your [^\]\n]{1,40}\]",
    r"\[(?:todo|tbd|tba|placeholder|fixme)\b[^\]\n]{0,60}\]",
    r"<(?:insert|your|enter|placeholder)[ _-][^>\n]{1,40}>",
    r"\{\{ ?(?:insert|your|placeholder)[^}\n]{0,40}\}\}",
    r"\byour[_-][a-z]{2,20}(?:[_-][a-z]{2,20})?[_-]here\b",
    r"\blorem ipsum\b",
    r"(?:\.\.\.|…) ?(?:the |)(?:rest of|remaining|existing)(?: the| your|) "
    r"(?:code|content|implementation|text|file|function|document)\b",
    r"\b(?:todo|fixme): ?(?:implement|add|fill|complete|replace|write|insert)\b",
]

_WHAT_WAS_ASKED_FOR = (
    r"(?:json|output|response|answer|results?|code|solution|summary|translation|list|table|version|text|file|email)"
)

_FORMAT_COLLAPSE = [
    r"^here(?:['’]s| is| are) (?:the|your) (?:[a-z]{1,16} ){0,2}" + _WHAT_WAS_ASKED_FOR + r"\b[^:\n]{0,40}:",
    r"^here you (?:go|are)\b",
    r"^let me [^.\n]{1,60} for you\b",
    r"^i(?:['’]ll| will) [^.\n]{1,60} for you\b",
    r"^below (?:is|are) (?:the|your) (?:[a-z]{1,16} ){0,2}" + _WHAT_WAS_ASKED_FOR + r"\b[^:\n]{0,40}:",
    r"^i(?:['’]ve| have) (?:created|generated|written|prepared|put together|rewritten|drafted|updated|provided)\b",
    r"^(?:json output|json response|final answer|final output|json):(?: |$)",
    r"\b(?:let me know if you (?:have|need|want|would|['’]d)|feel free to (?:ask|reach out))\b",
]


@dataclass
class BadPatterns:
    """Regular expressions by category. They are meant for `re.IGNORECASE | re.MULTILINE`."""

    META_COMMENTARY: list[str] = field(default_factory=lambda: list(_META_COMMENTARY))
    HEDGING: list[str] = field(default_factory=lambda: list(_HEDGING))
    REFUSAL: list[str] = field(default_factory=lambda: list(_REFUSAL))
    INSTRUCTION_LEAK: list[str] = field(default_factory=lambda: list(_INSTRUCTION_LEAK))
    PLACEHOLDERS: list[str] = field(default_factory=lambda: list(_PLACEHOLDERS))
    FORMAT_COLLAPSE: list[str] = field(default_factory=lambda: list(_FORMAT_COLLAPSE))

    def all_patterns(self) -> list[str]:
        """The patterns of all categories, in the order of the categories."""
        return [pattern for category in CATEGORIES for pattern in getattr(self, category)]


CATEGORIES = tuple(item.name for item in fields(BadPatterns))
"""The names of the categories."""

BAD_PATTERNS = BadPatterns()
"""The patterns that the rule `pattern` looks for by default."""
