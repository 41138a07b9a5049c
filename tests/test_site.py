"""The documentation as a site: its pages, its pictures, its list for language models, and the tests that it names.

MkDocs is not needed here: `./dev docs build` is strict about links.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import pytest
from l0_testing.faults import FAULTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
PICTURES = sorted(DOCS.glob("pictures/*.svg"))
CHART = ROOT / "benchmarks" / "results" / "chart.png"
"""Made by `./dev bench`; the page of the benchmarks shows it by a link in the folder of the pictures."""
GENERATOR = DOCS / "generate_llms.py"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def generator() -> types.ModuleType:
    specification = importlib.util.spec_from_file_location("generate_llms", GENERATOR)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def text_of(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def test_every_page_is_in_the_navigation_once_and_every_page_there_exists(generator: types.ModuleType) -> None:
    named = [name for pages in generator.navigation().values() for name in pages.values()]
    assert sorted(named) == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_the_list_for_language_models_is_current(generator: types.ModuleType) -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    title, _, about, *rest = generator.whole().splitlines()
    assert (title, about[:2]) == ("# L0", "> ")
    assert all(line == "" or re.fullmatch(r"## \w.*|- \[.+?\]\(\S+\.md\): \S.*", line) for line in rest)


def test_a_line_of_the_navigation_that_cannot_be_read_is_said(
    generator: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = tmp_path / "mkdocs.yml"
    site.write_text("site_name: L0\n\nnav:\n  - Begin:\n      - start.md\n")
    monkeypatch.setattr(generator, "SITE", site)
    with pytest.raises(ValueError, match=r"start\.md"):
        generator.navigation()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_its_only_title_and_says_what_it_is_about(page: Path, generator: types.ModuleType) -> None:
    assert re.match(r"(<!-- .* -->\n\n)?# ", page.read_text())
    assert len(re.findall(r"^# ", text_of(page), re.MULTILINE)) == 1
    assert generator.first_paragraph(page.relative_to(DOCS).as_posix())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_needs_nothing_from_elsewhere(page: Path) -> None:
    """No script, style, font or image of another host: links alone lead out."""
    text = text_of(page)
    assert not re.search(r"<(script|link|style|iframe|img|object|embed|video|audio)\b", text, re.IGNORECASE)
    for alt, target in re.findall(r"!\[([^]]*)\]\(([^)]*)\)", text):
        assert (page.parent / target).resolve() in [*PICTURES, CHART], target
        assert len(alt) > 20, f"{target} needs a text for who cannot see it"


def test_the_site_is_built_of_nothing_from_elsewhere() -> None:
    site = (ROOT / "mkdocs.yml").read_text()
    assert "\n  font: false\n" in site
    assert not re.search(r"https?://|extra_javascript|extra_css|mermaid", site)


def test_every_picture_is_shown() -> None:
    shown = {
        (page.parent / name).resolve() for page in PAGES for name in re.findall(r"\]\((\S+\.svg)\)", text_of(page))
    }
    assert shown == set(PICTURES)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_says_what_it_shows_in_light_and_in_the_dark(picture: Path) -> None:
    text = picture.read_text()
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert (root.findtext(f"{SVG}title") or "").strip()
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title desc"
    assert "@media (prefers-color-scheme: dark)" in text
    assert not re.search(r"https?://|@import|<script|<image|@font-face", text.replace("http://www.w3.org/2000/svg", ""))
    # A color stands in the style alone, where the dark has another.
    assert not re.search(r'\s(fill|stroke)="(?!none)', text)


LINK = re.compile(r"\[`?(test_\w+)`?\]\((\S+\.py)\)")


@pytest.mark.parametrize("name", ["retries.md", "promise.md"])
def test_a_test_that_a_page_names_exists(name: str) -> None:
    links = LINK.findall(text_of(DOCS / name))
    assert len(links) > 15
    for test, path in links:
        assert re.search(rf"^(async )?def {test}\(", (DOCS / path).read_text(), re.MULTILINE), f"{test} in {path}"


def test_the_promise_is_the_one_of_the_readme() -> None:
    promise, readme, index = (
        re.findall(r"(?:^> .*\n)+", path.read_text(), re.MULTILINE)[0]
        for path in (DOCS / "promise.md", ROOT / "README.md", DOCS / "index.md")
    )
    assert promise == readme == index


def test_the_figures_of_the_promise_are_those_of_the_tests() -> None:
    page = (DOCS / "promise.md").read_text()
    assert f"knows {len(FAULTS)} ways" in page
    assert f"That is {4 * len(FAULTS)} cases" in page
    for figure, file, said in (
        ("20,000", "test_schedules.py", "start + 20_000"),
        ("200 kills each", "test_kill.py", '200 if scheme in ("file", "sqlite") else 50'),
        ("best of three tries", "test_campaign.py", "TRIES = 3"),
    ):
        assert figure in page
        assert said in (ROOT / "tests" / file).read_text()
    tests = [path.read_text() for folder in ("l0_*", "plugins/*") for path in ROOT.glob(f"{folder}/tests/*.py")]
    for name in re.findall(r"\b(L0_\w+)=", page):
        assert any(f'"{name}"' in text for text in tests), name


def test_the_changelog_is_included_and_not_copied() -> None:
    page = DOCS / "changelog.md"
    (target,) = re.findall(r"^<!-- include (\S+) -->$", page.read_text(), re.MULTILINE)
    assert (DOCS / target).resolve() == ROOT / "CHANGELOG.md"
    assert (DOCS / target).exists()
    assert len(page.read_text()) < 500
