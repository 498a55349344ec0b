"""Links of the pages lead somewhere, what is generated is what the code says, units parse."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_reference_is_what_the_code_says():
    from labelvet.cli.reference import FILE, render

    assert FILE.read_text() == render(), "run 'make reference'"


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("unit", ["labelvet-worker.service", "labelvet-ray.service"])
def test_systemd_understands_the_units(unit, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    # the programs do not exist here, which is all that it may complain about
    text = (ROOT / "deploy" / unit).read_text().replace("/opt/labelvet/bin/", "/bin/echo ")
    (tmp_path / unit).write_text(text)
    said = subprocess.run(
        [analyze, "verify", tmp_path / unit], capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0 and not said.stderr, said.stderr


def test_the_compose_file_is_whole():
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    assert services.keys() == {"database", "app", "worker"}
    assert (ROOT / services["app"]["build"]["dockerfile"]).exists()
    assert services["worker"]["command"][:2] == ["labelvet", "worker"]


@pytest.mark.slow
def test_the_pages_build_to_a_site_with_a_search(tmp_path):
    """A link that leads nowhere on the site fails the build, unless mkdocs is told to be quiet."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    found = json.loads((tmp_path / "search" / "search_index.json").read_text())["docs"]
    pages = {entry["location"].partition("#")[0] for entry in found}
    assert pages == {"", *(f"{page.stem}/" for page in PAGES if page.stem != "README")}
