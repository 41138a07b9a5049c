"""Writes `docs/llms.txt`, the list of the pages for language models, from the navigation and the pages themselves.

./dev run python docs/generate_llms.py            # write it
./dev run python docs/generate_llms.py --check    # exit with 1 if it is not what it should be

Its form is that of llmstxt.org: a title, what it is about, and sections of links with a line on each.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
FILE = DOCS / "llms.txt"
SITE = DOCS.parent / "mkdocs.yml"


def navigation() -> dict[str, dict[str, str]]:
    """The sections of the navigation: the title of each page, and its file.

    It is read line by line, without a library for YAML: `  - Section:` and `      - Title: page.md`.
    """
    sections: dict[str, dict[str, str]] = {}
    pages: dict[str, str] = {}
    nav = SITE.read_text(encoding="utf-8").partition("\nnav:\n")[2]
    for line in nav.splitlines():
        if section := re.fullmatch(r"  - (\w[^:]*):", line):
            pages = sections.setdefault(section[1], {})
        elif page := re.fullmatch(r'      - "?(.+?)"?: (\S+\.md)', line):
            pages[page[1]] = page[2]
        else:
            raise ValueError(f"mkdocs.yml: not a section and not a page: {line!r}")
    return sections


def about() -> str:
    """What the site says it is about."""
    found = re.search(r"^site_description: >-\n((?:  .*\n)+)", SITE.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError("mkdocs.yml has no site_description")
    return " ".join(found[1].split())


def first_paragraph(name: str) -> str:
    """The first paragraph of a page as one line, without markup."""
    text = (DOCS / name).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    plain = next((part for part in paragraphs if part and part[0] not in "#|>!-"), "")
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", plain).rstrip(":")


def whole() -> str:
    """The file as it should be. Pages that are not there are left out."""
    lines = ["# L0", "", f"> {about()}"]
    for section, pages in navigation().items():
        links = [
            f"- [{title}]({name}): {first_paragraph(name)}" for title, name in pages.items() if (DOCS / name).exists()
        ]
        if links:
            lines += ["", f"## {section}", "", *links]
    return "\n".join(lines) + "\n"


def main() -> int:
    if "--check" not in sys.argv:
        FILE.write_text(whole(), encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == whole():
        return 0
    sys.stderr.write("docs/llms.txt is not current: ./dev run python docs/generate_llms.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
