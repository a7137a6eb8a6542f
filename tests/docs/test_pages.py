"""What the pages name is there: files that they link, commands with their options, benchmarks, modules, tests.

ADRs tell what was true when they were written, so only their links are checked.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError, MissingArgumentError

from flows.cli import app

ROOT = Path(__file__).parents[2]
ALL = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PAGES = [page for page in ALL if page.parent.name != "adr"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
COMMAND = r"(?:\.venv/bin/)?facepairs ([\w-]+[^`\n]*)"


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Headings of a page as links name them."""
    heads = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def blocks(text: str) -> Iterator[str]:
    """Command lines of a page's code blocks, without prompts and comments, continued lines joined."""
    for _, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"\s+#.*", "", line.strip().removeprefix("$ ")).removesuffix("&").strip()


def typed(text: str) -> Iterator[tuple[str, bool]]:
    """Commands of facepairs in a page, and whether each is whole: between backticks only a part may be said."""
    for line in blocks(text):
        if found := re.fullmatch(COMMAND, line):
            yield found[1], True
    for words in re.findall(r"`([^`]+)`", BLOCK.sub("", text)):
        if found := re.fullmatch(COMMAND, " ".join(words.split())):
            yield found[1], False


def refused(command: str, whole: bool) -> str:
    """Why the command line does not take a command; empty when it does. Nothing is run."""
    try:
        app.parse_args(shlex.split(command), exit_on_error=False, print_error=False)
    except MissingArgumentError as error:  # before options that it does not know
        return " ".join(str(error).split()) if whole else unknown_option(command)
    except CycloptsError as error:
        return " ".join(str(error).split())
    return ""


def unknown_option(command: str) -> str:
    """The first option of a command that its verb does not have; empty when it has all."""
    _, verbs, words = app.parse_commands(shlex.split(command))
    options = verbs[-1].assemble_argument_collection()
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        try:
            options.match(option)
        except ValueError:
            return f"no option {option}"
    return ""


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_what_the_command_line_takes(page: Path) -> None:
    told = {command: refused(command, whole) for command, whole in typed(page.read_text())}
    assert {command: why for command, why in told.items() if why} == {}


def test_examples_in_the_help_are_what_the_command_line_takes() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "flows").glob("*.py"))]
    examples = [command for text in texts for command in re.findall(r"Example: facepairs (.*)", text)]
    assert len(examples) > 30
    told = {command: refused(command, True) for command in examples}
    assert {command: why for command, why in told.items() if why} == {}


def test_an_option_that_is_not_there_is_seen() -> None:
    assert "--depe" in refused("verify out/demo --depe", True)
    assert refused("explain 00000042 out/demo", True)
    assert refused("synthesize --photo x", False)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_modules_scripts_and_benchmarks_are_there(page: Path) -> None:
    text = page.read_text()
    named = [
        module(dotted) for dotted in re.findall(r"python -m ((?:benchmarks|tests|flows)\.[\w.]*\w)", text)
    ]
    named += [module(f"benchmarks.bench_{run}") for run in re.findall(r"benchmarks\.run ([a-z]\w*)", text)]
    named += [ROOT / file for file in re.findall(r"python ((?:docs|benchmarks|tests)/[\w/]+\.py)", text)]
    lost = [name(path) for path in named if not path.is_file()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_source_files_and_tests_are_there(page: Path) -> None:
    lost = []
    for file, test in re.findall(r"`((?:\w+/)+\w+\.py)(?:::(\w+))?`", page.read_text()):
        path = ROOT / file
        if not path.is_file() or (test and test not in functions(path)):
            lost.append(f"{file} {test}".strip())
    assert lost == []


def module(dotted: str) -> Path:
    return ROOT / f"{dotted.replace('.', '/')}.py"


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
