"""The site as Sphinx builds it: without a warning, with all commands and names, and what a stranger asks within three clicks."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from massgap.cli import main

ROOT = Path(__file__).parents[2]
TASKS = {
    "own file to cutflow": (
        "guide/files.html",
        ["massgap run slepton ttbar_*.root", "two opposite-sign muons"],
    ),
    "own signal to limit": (
        "guide/my-signal.html",
        ["massgap fit runs/scored", "massgap plane runs/scored", "massgap limit workspace.json"],
    ),
    "own analysis with two regions": (
        "guide/own-analysis.html",
        ["class MyAnalysis", "off_z", "massgap fit runs/scored"],
    ),
    "a run on a pool": ("facilities.html", ["--executor htcondor", "massgap preflight", "massgap submit"]),
    "what does this error mean": ("reference/errors.html", ["copy it again", "--accept-loss", "Remedy."]),
}
"""What a stranger wants -> the page that answers, and what it must say."""


class Page(HTMLParser):
    """Links, anchors and words of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := given.get(key))}
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "img" and given.get("src"):
            self.links.append(str(given["src"]))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    for package in (
        "sphinx",
        "myst_nb",
        "pydata_sphinx_theme",
        "sphinx_click",
        "sphinx_design",
        "sphinx_copybutton",
    ):
        pytest.importorskip(package, reason='the site needs the extra docs: pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        str(folder / "trees"),
    ]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    found = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(site).as_posix(): Page(path) for path in found}


def target(page: str, link: str) -> tuple[str, str]:
    """(page, anchor) that a link within the site leads to."""
    name, _, anchor = unquote(link).partition("#")
    if not name:
        return page, anchor
    parts: list[str] = page.split("/")[:-1]
    for part in name.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts), anchor


def test_links_within_the_site_lead_somewhere(site: Path, pages: dict[str, Page]) -> None:
    wrong, looked_at = [], 0
    for name, page in pages.items():
        for link in page.links:
            if re.match(r"\w+:|//", link):
                continue
            looked_at += 1
            there, anchor = target(name, link.partition("?")[0])
            if not (site / there).exists() or (
                anchor and there in pages and anchor not in pages[there].anchors
            ):
                wrong.append((name, link))
    assert looked_at > 1000
    assert wrong == []


def test_links_to_the_repository_lead_to_files_of_it(pages: dict[str, Page]) -> None:
    found = set()
    for page in pages.values():
        for link in page.links:
            place = re.match(r"https://github\.com/massgap/massgap/(?:blob|tree)/main/([^#]+)", link)
            if place:
                found.add(place[1])
    assert len(found) > 100
    assert sorted(name for name in found if not (ROOT / name).exists()) == []


def clicks(pages: dict[str, Page], start: str = "index.html") -> dict[str, int]:
    """Page -> how many links it lies from the start; the search and indices do not count."""
    found, todo = {start: 0}, deque([start])
    while todo:
        name = todo.popleft()
        for link in pages[name].links:
            if re.match(r"\w+:|//", link):
                continue
            there, _ = target(name, link.partition("?")[0])
            if (
                there in pages
                and there not in found
                and there not in {"search.html", "genindex.html", "py-modindex.html"}
            ):
                found[there] = found[name] + 1
                todo.append(there)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_what_a_stranger_asks_is_answered_within_three_clicks(task: str, pages: dict[str, Page]) -> None:
    name, said = TASKS[task]
    assert clicks(pages)[name] <= 3
    for words in said:
        assert words in pages[name].text, words


def test_every_page_is_within_four_clicks(pages: dict[str, Page]) -> None:
    far = clicks(pages)
    aside = {
        name
        for name in pages
        if name in {"search.html", "genindex.html", "py-modindex.html"} or name.startswith("_modules/")
    }
    assert sorted(pages.keys() - far.keys() - aside) == []
    assert max(far.values()) <= 4


def test_every_command_and_option_is_in_the_reference(pages: dict[str, Page]) -> None:
    text = pages["reference/cli.html"].text
    for name, command in main.commands.items():
        if command.hidden:
            continue
        assert f"massgap {name}" in text
        for param in command.params:
            if not getattr(param, "hidden", False) and param.param_type_name == "option":
                assert any(option in text for option in param.opts), (name, param.opts)


def test_every_public_name_is_in_the_reference(pages: dict[str, Page]) -> None:
    import api_pages

    for room in api_pages.FACES:
        page = pages[f"generated/api/{room.removeprefix('massgap.')}.html"]
        assert [n for n in importlib.import_module(room).__all__ if f"{room}.{n}" not in page.anchors] == []


def test_the_built_catalogue_has_every_message(site: Path, pages: dict[str, Page]) -> None:
    import error_catalogue

    flat = re.sub(r"\s+", "", pages["reference/errors.html"].text)
    missing = [m.text for m in error_catalogue.collect(ROOT) if re.sub(r"\s+", "", m.text) not in flat]
    assert missing == []


def test_the_picture_of_the_house_has_every_room(site: Path) -> None:
    drawn = (site / "house.html").read_text(encoding="utf-8")
    rooms = {
        path.name
        for path in (ROOT / "massgap").iterdir()
        if path.is_dir() and not path.name.startswith((".", "_"))
    }
    assert len(rooms) > 12
    assert sorted(room for room in rooms if f">{room}</text>" not in drawn) == []


def test_pages_of_numbers_say_where_they_come_from(pages: dict[str, Page]) -> None:
    assert "benchmarks/measured.json" in pages["performance.html"].text
    for name, page in pages.items():
        if name.endswith("-validation.html"):
            assert "written: 20" in page.text
            assert "samples: " in page.text


def test_folders_of_the_site_are_small() -> None:
    folders = [ROOT / "docs", *(path for path in (ROOT / "docs").rglob("*") if path.is_dir())]
    found = {}
    for folder in folders:
        parts = folder.relative_to(ROOT / "docs").parts
        if not any(part.startswith("_") or part == "generated" for part in parts):
            entries = [path for path in folder.iterdir() if not path.name.startswith(("_", "generated"))]
            found["/".join(parts)] = len(entries)
    assert len(found) >= 6
    assert {name: number for name, number in found.items() if number > 13} == {}
