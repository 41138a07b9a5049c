"""What the site has besides the pages of this folder. MkDocs calls this; see mkdocs.yml.

The READMEs of the distributions become pages, the changelog's page gets the changelog, and links that lead through the
repository lead through the site instead. Each page is also written as Markdown, which is what llms.txt links to.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
READMES = {
    f"distributions/{path.parent.name}.md": path
    for pattern in ("l0_*/README.md", "plugins/*/README.md")
    for path in sorted(ROOT.glob(pattern))
}
PLACES = {
    ROOT / "README.md": "index.md",
    ROOT / "CHANGELOG.md": "changelog.md",
    **{path: uri for uri, path in READMES.items()},
}


def on_config(config: Any) -> None:
    pages = [{Path(uri).stem.replace("_", "-"): uri} for uri in READMES]
    config.nav.append({"Distributions": pages})


def on_files(files: Any, config: Any) -> None:
    for uri, path in READMES.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    uri = page.file.src_uri
    text = relinked(markdown, READMES.get(uri, DOCS / uri).parent, uri)
    return re.sub(r"^<!-- include (\S+) -->$", lambda found: included(DOCS / found[1], uri), text, flags=re.MULTILINE)


def on_post_page(output: str, page: Any, config: Any) -> None:
    path = Path(config.site_dir) / page.file.src_uri
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.markdown, encoding="utf-8")


def included(path: Path, uri: str) -> str:
    """A file of the repository, without its title. Raises FileNotFoundError."""
    text = path.read_text(encoding="utf-8")
    return relinked(re.sub(r"\A# .*\n", "", text), path.resolve().parent, uri).strip()


def relinked(markdown: str, folder: Path, uri: str) -> str:
    """Markdown of `folder` with the links that the page at `uri` has on the site."""
    parts = re.split(r"(^ *```.*?^ *```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [
        re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", lambda found: link(found[1], found[2], folder, uri), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def link(text: str, target: str, folder: Path, uri: str) -> str:
    path, mark, anchor = target.partition("#")
    if not path or ":" in path:
        return f"[{text}]({target})"
    there = (folder / path).resolve()
    if (there / "README.md").is_file():
        there /= "README.md"
    if there.is_relative_to(DOCS):
        place: str | None = there.relative_to(DOCS).as_posix()
    else:
        place = PLACES.get(there)
        if place is None:
            # The site has the documentation, and not the code. A link to nothing at all is left for MkDocs to report.
            return text if there.exists() else f"[{text}]({target})"
    return f"[{text}]({os.path.relpath(place, Path(uri).parent.as_posix())}{mark}{anchor})"
