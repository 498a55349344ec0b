"""What mkdocs does with what lies beside ``docs/``, which it cannot take from there itself.

README.md becomes the first page of the site, and what else a page links to a page or a file of it.
The links follow.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    first = _moved((ROOT / "README.md").read_text())
    files.append(File.generated(config, "index.md", content=first))
    texts = [first, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    for name in sorted({name for text in texts for name in _beside(text)}):
        if name.endswith(".md"):
            content = _moved((ROOT / name).read_text())
            files.append(File.generated(config, name, content=content))
        else:
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    return markdown.replace("](../", "](")


def _moved(markdown: str) -> str:
    """The text of a page beside ``docs/``, with the links that it has as a page of ``docs/``."""
    outside = re.sub(r"\]\((?!https?:|mailto:|#|docs/)", "](../", markdown)
    return outside.replace("](docs/", "](")


def _beside(markdown: str) -> list[str]:
    return re.findall(r"\]\(\.\./([^)#\s]+)", markdown)
