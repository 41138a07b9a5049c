"""Made derailments: good answers of many styles, each of which derails at a known place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["TEMPLATES", "Derailment", "derailments"]


class Derailment(NamedTuple):
    """A text that is good up to the offset `at`, and what it does from there on."""

    kind: str
    template: str
    text: str
    at: int


TOPICS = {
    "tides": """The tide rises and falls because the moon pulls more strongly on the near side of the sea than the far.
The sun pulls too, about half as much, and twice a month the two of them work in the same direction.
In a narrow bay the water has nowhere to spread, so that the difference between high and low can exceed ten metres.
Harbours print tables of the hours, which were computed by hand until well into the last century.
A sailor who leaves on the ebb gains a knot or two without any effort.
Out on the open ocean nobody notices anything, since the bulge is less than a metre high.""",
    "bread": """Flour and water alone will rise if they are left to stand for a few days in a warm kitchen.
Wild yeast lives on the grain, and the acid that its companions make keeps other microbes away.
A baker feeds the starter every evening and keeps back a spoonful for the next batch.
Salt slows the fermentation down and tightens the dough, which is why it goes in last.
The crust forms when the surface dries faster than moisture can reach it from within.
An hour of patience after baking matters more for the crumb than ten minutes of kneading before it.""",
    "bicycles": """A bicycle stays upright because its rider steers into every fall, mostly without knowing it.
The front fork is bent forward so that the wheel follows the direction of travel like a castor.
Early machines had no chain, and the pedals sat on the hub of an enormous front wheel.
With gears the same legs can climb a mountain pass and cross a plain at thirty kilometres an hour.
Narrow tyres were long believed to be faster, until measurements on real roads showed otherwise.
Cities that built separate lanes saw the number of riders double within a decade.""",
    "glaciers": """Snow that survives the summer is buried by the next winter and slowly turns into ice.
Under its own weight the ice begins to flow, a few centimetres a day in most valleys.
It carries rock along and grinds the floor beneath it to a fine grey powder.
Where the valley bends the surface breaks open into crevasses as deep as a house.
Meltwater finds its way down through them and lubricates the bed.
The lakes below owe their milky colour to the powder that never quite settles.""",
    "libraries": """The catalogue of a library is older than the printed book and has always been rewritten by readers.
Cards made it possible to insert a title without copying the whole list again.
A shelf mark says where a volume stands, and a subject heading says what it is about.
Interlibrary loans began as a courtesy between neighbours and became a system of their own.
Digital copies have not emptied the reading rooms, which are fuller on weekdays than ever.
What readers ask for most often is a quiet table near a window.""",
    "bees": """A worker bee visits several hundred blossoms on a single flight and remembers the way to all of them.
Back in the hive she dances on the comb, and the angle of the dance tells the others where to go.
Nectar is thickened by fanning until it holds so little water that nothing can spoil it.
In winter the colony forms a ball, warm in the middle, in which everyone takes a turn at the edge.
The queen decides nothing at all, although the name suggests it.
A swarm leaves when the old house is full, and scouts vote on the new one.""",
    "radio": """A transmitter moves electrons up and down a wire, and far away other electrons begin to follow.
Long waves bend around the earth, while short ones bounce between the ground and the upper air.
The first receivers needed no battery, only a crystal, a coil and a good deal of luck.
Amplitude was the natural thing to vary, but thunderstorms vary it as well.
Varying the frequency costs more bandwidth and rewards it with silence between the notes.
Today the same trick carries a dozen programmes on one channel.""",
    "clocks": """A pendulum keeps time because its period depends on its length and hardly on its swing.
In warm weather the rod grows, and the clock loses a few seconds every day.
Makers answered with rods of two metals, whose expansions cancel each other out.
At sea no pendulum works, and so a spring and a balance wheel had to be improved for forty years.
Quartz made all of that obsolete within a single decade.
The craft survives in towers, where someone still climbs the stairs to wind the weights.""",
}

SMALL_TALK = """yeah so basically the whole thing is kinda simple once you try it
you're gonna want a big bowl first, and yep, the cheap flour is totally fine
i usually just leave it on the counter overnight cause who has time for more
it'll look kinda gross in the morning but that's how it's supposed to look
then you gotta fold it a couple times, no need to be fancy about it
my neighbor swears by cold water, i dunno, never made a difference for me
bake it till it sounds hollow, that's pretty much it"""


def sentences(rng: random.Random, count: int) -> list[str]:
    topics = rng.sample(sorted(TOPICS), 1 + count // 6)
    return [line for topic in topics for line in TOPICS[topic].splitlines()][:count]


def paragraphs(rng: random.Random, count: int, each: int = 3) -> str:
    lines = sentences(rng, count * each)
    return "\n\n".join(" ".join(lines[at : at + each]) for at in range(0, len(lines), each))


def essay(rng: random.Random) -> str:
    return paragraphs(rng, rng.randint(2, 5))


def long_essay(rng: random.Random) -> str:
    return paragraphs(rng, rng.randint(7, 9))


def letter(rng: random.Random) -> str:
    name = rng.choice(["Ms Ortega", "Tom", "colleagues", "Professor Lindqvist"])
    return f"Dear {name},\n\nThank you for your letter about our plans.\n\n{paragraphs(rng, 2)}"


def guide(rng: random.Random) -> str:
    topics = rng.sample(sorted(TOPICS), 3)
    parts = [f"# A short guide to {topics[0]}"]
    for topic in topics:
        first, second, third, fourth, *_ = TOPICS[topic].splitlines()
        parts.append(f"## About {topic}\n\n- **First**: {first}\n- **Second**: {second}\n- {third}\n\n1. {fourth}")
    return "\n\n".join(parts)


def story(rng: random.Random) -> str:
    one, two = rng.sample(["Mara", "Jonas", "the old man", "Ines", "her brother"], 2)
    first, second, third = sentences(rng, 3)
    return (
        f'"{first}" said {one}.\n\n"I\'m sorry, but I cannot believe that," {two} answered. '
        f'"Let me explain. {second}"\n\nThey walked on along the river until it was dark. {third} '
        "Nobody spoke for a long time, and the lamps came on."
    )


def talk(rng: random.Random) -> str:
    lines = SMALL_TALK.splitlines()
    return ". ".join(lines) + "." if rng.random() < 0.5 else "\n".join(line + "." for line in lines)


def table(rng: random.Random) -> str:
    rows = "\n".join(f"| {topic} | {rng.randint(10, 99)} | {rng.randint(100, 999)} |" for topic in sorted(TOPICS))
    head = "| topic | visits | minutes |\n|---|---|---|"
    return f"The numbers of the last quarter:\n\n{head}\n{rows}\n\n{paragraphs(rng, 2)}"


def open_code(rng: random.Random) -> str:
    name = rng.choice(["parse_rows", "load_config", "merge_intervals", "read_lines"])
    language = rng.choice(["python", "py"])
    return f'''The function reads the file once and returns what it found.

```{language}
from pathlib import Path


def {name}(path: Path, limit: int = {rng.randint(10, 90)}) -> list[str]:
    """Return the lines that matter."""
    found = []
    for number, line in enumerate(path.read_text().splitlines()):
        if not line.strip() or line.startswith("#"):
            continue
        if number > limit:
            break
        found.append(line)
'''


def open_javascript(rng: random.Random) -> str:
    name = rng.choice(["fetchAll", "groupBy", "debounce"])
    return f"""```javascript
export async function {name}(items, wait = {rng.randint(100, 900)}) {{
  const result = new Map();
  for (const item of items) {{
    const key = await item.key();
    if (!result.has(key)) {{
      result.set(key, []);
    }}
"""


def records(rng: random.Random, count: int) -> list[dict[str, object]]:
    return [
        {"id": rng.randint(1000, 9999), "topic": topic, "note": TOPICS[topic].splitlines()[rng.randint(0, 5)]}
        for topic in rng.sample(sorted(TOPICS), count)
    ]


def open_json(rng: random.Random) -> str:
    whole = json.dumps({"version": 2, "items": records(rng, 4)}, indent=2)
    return whole[: whole.rindex('"note"')]


def open_json_list(rng: random.Random) -> str:
    return json.dumps(records(rng, 4), indent=4).removesuffix("\n]") + ",\n"


def nothing(rng: random.Random) -> str:
    return ""


def loop(piece: str, times: int = 12) -> str:
    return piece * times


def noise(rng: random.Random, alphabet: str, words: int = 120) -> str:
    return " ".join("".join(rng.choices(alphabet, k=rng.randint(3, 11))) for _ in range(words))


LOWER = "abcdefghijklmnopqrstuvwxyz"
LETTERS = LOWER + LOWER.upper() + "0123456789"
SIGNS = "!#$%&()*+,-./:;<=>?@[]^_{|}~"
SCRIPTS = [
    LOWER,
    "абвгдежзиклмнопрстуфхцчшщыэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
    "的一是不了人我在有他这中大来上",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
]


def salad(rng: random.Random) -> str:
    return " ".join("".join(rng.choices(rng.choice(SCRIPTS), k=rng.randint(2, 7))) for _ in range(180))


def mojibake(rng: random.Random) -> str:
    text = "".join(rng.choices("éèüöñçàâêîôûßøåæœ–—“”…•€™Øþðíóúý", k=60))
    broken = text.encode().decode("cp1252", "replace")
    return " ".join(broken[at : at + 6] + rng.choice(LETTERS) for at in range(0, 6 * (len(broken) // 6), 6)) * 5


def run_on(rng: random.Random) -> str:
    return " ".join(sentences(rng, 18))


Good = Callable[[random.Random], str]
Bad = Callable[[random.Random], str]
TEMPLATES: dict[str, tuple[str, list[Good], Bad]] = {}


def template(kind: str, good: list[Good], name: str, bad: Bad | str) -> None:
    assert name not in TEMPLATES
    TEMPLATES[name] = kind, good, (lambda _: bad) if isinstance(bad, str) else bad


PROSE: list[Good] = [essay, letter, story, table, guide]

META = {
    "ai model": "As an AI language model, I do not have opinions about this, so the rest is up to you.",
    "ai": "As an AI, I can only repeat what I was told about the matter.",
    "large model": "As a large language model trained by Acme, I have no way to verify any of the above.",
    "i am an ai": "I am an AI assistant and I was made to be helpful. Please ask something else.",
    "just an ai": "I'm just an AI, so please take all of this with a grain of salt.",
    "cannot actually": "I cannot actually access the internet, so the figures may be out of date.",
    "can't actually": "I can't actually see the file that you mention.",
    "personal opinions": "I don't have personal opinions or experiences, which means that I should stop here.",
    "apologize": "I apologize, but I cannot continue with this request. Is there anything else?",
    "sorry": "I'm sorry, but I can't assist with that.",
    "sorry curly": "I’m sorry, but I can’t help with that request.",
    "sorry for the confusion": "I apologize for the confusion, but I don't have access to real-time information.",
    "circling": "Let me explain. To clarify, this is about the above. In other words, it is as I said.",
}
for name, bad in META.items():
    template("meta_commentary", PROSE, f"meta: {name}", f"\n\n{bad}")
template("meta_commentary", [essay, letter], "meta: in the paragraph", f" {META['ai model']}")
template("meta_commentary", [essay, letter], "meta: then on", lambda rng: f" {META['sorry']} {paragraphs(rng, 2)}")

SLANG = {
    "dude": "Anyway, dude, that's kinda it, you know. Yeah, you're gonna love it, trust me. Nope, no more details.",
    "lol": "lol this is getting long. Okay so yeah, basically they wanna do it all again. It's gonna be wild, haha.",
    "lines": "yeah so that's that\n\nyou're gonna be fine, just dunno when\n\nnah forget it, lemme start over, lol",
    "shouting": "OMG this is the best part! You're GONNA love it! Yeah, seriously, it's kinda the whole point!",
    "lazy": "The rest is kinda the same, you gotta figure it out. I dunno, it ain't that hard, yep.",
}
for name, bad in SLANG.items():
    template("tone_shift", [essay, letter, table], f"tone: {name}", f"\n\n{bad}")
template(
    "tone_shift",
    [talk],
    "tone: lecture",
    "\n\nFurthermore, the fermentation of wheat is governed by enzymatic processes. Consequently, the duration must be "
    "determined empirically. Moreover, the ambient temperature shall be recorded; therefore, a device is required.",
)
template(
    "tone_shift",
    [talk],
    "tone: treatise",
    " Thus, the aforementioned procedure yields a satisfactory loaf. Hence, no further treatment is indicated. "
    "Nevertheless, moreover, it is accordingly recommended that the crust be examined.",
)

PLACE = "The water comes back twice a day and takes the sand with it."
template("repetition", PROSE, "repetition: sentence", "\n\n" + loop(f"{PLACE} "))
template("repetition", PROSE, "repetition: line", "\n\n" + loop(f"{PLACE}\n"))
template("repetition", PROSE, "repetition: paragraph", lambda rng: "\n\n" + loop(paragraphs(rng, 1) + "\n\n", 5))
template("repetition", PROSE, "repetition: word", " And it was" + loop(" very", 80))
template("repetition", PROSE, "repetition: phrase", " This is" + loop(" one of the reasons why it is", 12))
template("repetition", PROSE, "repetition: letters", " The end" + loop("ha", 200))
template(
    "repetition",
    PROSE,
    "repetition: with something between",
    lambda rng: "\n\n" + "".join(f"{PLACE} {word.title()} too. " for word in sorted(TOPICS)),
)
template("repetition", [guide], "repetition: bullets", "\n" + loop("- Keep the water warm and the bowl covered\n"))
template(
    "repetition",
    [guide, essay],
    "repetition: numbered",
    "\n\n" + "".join(f"{n}. Improve the overall quality of the result\n" for n in range(2, 14)),
)
template("repetition", [open_code], "repetition: code", loop("        found.append(line.strip().lower())\n", 30))
template(
    "repetition",
    [open_code],
    "repetition: function",
    loop("\n\ndef helper(value):\n    if value is None:\n        return None\n    return str(value).strip()\n", 9),
)
template(
    "repetition", [open_json_list], "repetition: json", loop('    {"id": 7, "topic": "none", "note": null},\n', 25)
)

template("entropy_spike", [long_essay], "entropy: ascii", lambda rng: "\n\n" + noise(rng, LETTERS + SIGNS))
template("entropy_spike", [long_essay], "entropy: letters and digits", lambda rng: " " + noise(rng, LETTERS))
template("entropy_spike", [long_essay], "entropy: signs", lambda rng: " " + noise(rng, LOWER + SIGNS + SIGNS))
template("entropy_spike", [long_essay], "entropy: scripts", lambda rng: "\n\n" + salad(rng))
template("entropy_spike", [long_essay], "entropy: mojibake", lambda rng: " " + mojibake(rng))

CHAT = {
    "rest": "\nHere is the rest of the code that you asked for:\n\n",
    "sure": "Sure! I can continue with the remaining part.\n",
    "let me": "\nLet me finish the function for you.\n",
    "hope": "I hope this helps! Let me know if you have any questions.\n",
    "sorry": "\nI'm sorry, but I cannot continue with this file.\n",
    "updated": "Here's the updated version of the function:\n",
}
for name, bad in CHAT.items():
    template("format_collapse", [open_code, open_javascript], f"format: code, {name}", bad)
CONVERSATION = {
    "continue": "The remaining items follow the same pattern as the ones above.\n",
    "here": "Here is the rest of the list that you asked for:\n",
    "note": "Note that the other entries have been left out for brevity.\n",
    "sorry": "Sorry, this answer would be too long to show in full.\n",
}
for name, bad in CONVERSATION.items():
    template("format_collapse", [open_json_list], f"format: json, {name}", bad)
    template(
        "format_collapse",
        [lambda rng: "The data, as requested:\n\n```json\n" + open_json_list(rng)],
        f"format: fenced json, {name}",
        bad,
    )
ANNOUNCED = {
    "here is": "Here is the JSON you asked for:\n\n",
    "here's": "Here's the list in JSON format: ",
    "i'll": "I'll prepare the data for you:\n",
    "sure, here": "Sure! Here is your data:\n\n",
}
for name, before in ANNOUNCED.items():
    template(
        "format_collapse",
        [nothing],
        f"format: announced, {name}",
        lambda rng, before=before: before + json.dumps(records(rng, 3), indent=2),
    )
template("hedging", [nothing], "hedging: json", lambda rng: "Certainly!\n" + json.dumps(records(rng, 3), indent=2))

template("markdown_collapse", [guide], "markdown: run on", lambda rng: "\n\n" + run_on(rng))
template(
    "markdown_collapse",
    [guide],
    "markdown: headings in the line",
    lambda rng: "\n\n" + " ".join(f"{line} ## On {line.split()[0].title()}" for line in sentences(rng, 6)),
)
template(
    "markdown_collapse",
    [guide],
    "markdown: items in the line",
    lambda rng: " And more. " + " ".join(f"- **{line.split()[0]}**: {line}" for line in sentences(rng, 6)),
)

AGAIN = {
    "sure": "Sure! Here is a short overview of the subject.",
    "certainly": "Certainly!\n\nHere is what you asked for, in a few words.",
    "of course": "Of course! I'd be happy to go on.",
    "absolutely": "Absolutely! Let me walk you through the details.",
    "twice": "Sure!\n\nThe water rises.\n\nCertainly!\n\nThe water falls.",
}
for name, bad in AGAIN.items():
    template("hedging", PROSE, f"hedging: {name}", lambda rng, bad=bad: f"\n\n{bad}\n\n{paragraphs(rng, 1)}")


def derailments(seed: int, each: int) -> list[Derailment]:
    """So many of every template, varied by the seed."""
    made = []
    for name, (kind, styles, bad) in TEMPLATES.items():
        rng = random.Random(f"{seed} {name}")
        for number in range(each):
            good = styles[number % len(styles)](rng)
            made.append(Derailment(kind, name, good + bad(rng), len(good)))
    return made
