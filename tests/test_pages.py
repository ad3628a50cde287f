"""The pages: README's limits, links that lead somewhere, commands that exist, words that mean one thing."""

from __future__ import annotations

import importlib.util
import io
import keyword
import re
import tokenize

import pytest
import yaml

from tests.test_project import PROJECT, ROOT, requirement_name, tracked_texts

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
# Pages about the past may name things that no longer exist.
HISTORY = {"CHANGELOG.md", "docs/lab_notes.md"}
by_page = pytest.mark.parametrize("page", PAGES)


def code_of(page):
    """Return the page's commands: indented or fenced lines, and text between backticks."""
    text = PAGES[page]
    return re.findall(r"`[^`\n]+`", text) + re.findall(r"^(?: {4}|\t).*$", text, re.M)


def anchor(heading):
    """Return a heading's anchor, as the site and the usual viewers of Markdown make it."""
    kept = re.sub(r"[^\w\s-]", "", heading.replace("`", "").strip().lower())
    return re.sub(r"[\s]+", "-", kept)


def test_readme_is_short_and_narrow():
    lines = README.splitlines()
    assert len(lines) <= 130
    assert [line for line in lines if len(line) > 100] == []


def test_readme_names_the_commands_and_shows_a_moving_picture():
    from PIL import Image

    for command in ("make demo", "make test", "make quick"):
        assert command in README
    picture = ROOT / re.findall(r"!\[[^]]*\]\(([^)]+\.(?:webp|gif))\)", README)[0]
    assert picture.stat().st_size <= 2_000_000
    with Image.open(picture) as opened:
        assert opened.n_frames > 10


@by_page
def test_every_link_and_picture_leads_somewhere(page):
    text = PAGES[page]
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: (\S+)$", text, re.M)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        target, _, heading = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page}: {link}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            assert heading in map(anchor, headings), f"{page}: {link}"


@by_page
def test_every_make_target_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    named = {name for code in code_of(page) for name in re.findall(r"\bmake ([a-z]+)\b", code)}
    assert named <= targets


@by_page
def test_every_command_of_commentator_exists(page):
    from typer.main import get_command

    from commentator_lib.cli import app

    known = set(get_command(app).commands)
    named = {n for code in code_of(page) for n in re.findall(r"(?:^|[\s`/])commentator ([a-z]+)\b", code)}
    assert named <= known


@by_page
def test_every_experiment_exists(page):
    if page in HISTORY:
        return
    for name in re.findall(r"-m (experiments[.\w]*)", PAGES[page]):
        assert importlib.util.find_spec(name) is not None, f"{page}: {name}"


@by_page
def test_every_path_of_the_project_exists(page):
    if page in HISTORY:
        return
    folders = "commentator_lib|experiments|docs|notebooks|tests|data"
    for code in code_of(page):
        for path in re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.-]*\w)", code):
            if path.startswith(("experiments/results/", "data/made/")):  # what commands write
                continue
            assert (ROOT / path).exists(), f"{page}: {path}"


def test_every_package_is_explained():
    page = PAGES["docs/install.md"].lower()
    every = [*PROJECT["dependencies"], *(r for e in PROJECT["optional-dependencies"].values() for r in e)]
    missing = {n for n in map(requirement_name, every) if not re.search(rf"\b{re.escape(n)}\b", page)}
    assert missing == set()
    for extra in PROJECT["optional-dependencies"]:
        assert f"| `{extra}` |" in PAGES["docs/install.md"]


def test_the_api_reference_has_every_room_of_the_library():
    shown = {
        name
        for page, text in PAGES.items()
        if page.startswith("docs/api/")
        for name in re.findall(r"^::: commentator_lib\.(\w+)$", text, re.M)
    }
    rooms = {
        path.stem
        for path in (ROOT / "commentator_lib").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert shown == rooms - {"__init__", "__main__"}


def test_the_site_has_every_page():
    def paths(entry):
        if isinstance(entry, dict):
            entry = list(entry.values())
        return [p for e in entry for p in paths(e)] if isinstance(entry, list) else [entry]

    assert sorted(paths(SITE["nav"])) == sorted(
        p.removeprefix("docs/") for p in PAGES if p.startswith("docs/")
    )


def test_the_site_fetches_nothing():
    assert SITE["theme"]["font"] is False  # else the theme asks another server for its fonts
    assert "://" not in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page, text in PAGES.items():
        assert "```mermaid" not in text, f"{page}: the theme fetches the program that draws these"


# Words of version 0.1 that only its authors understood, and the word to use. `old_names.py` keeps some for users.
PRIVATE_WORDS = {
    "desk": "control panel",
    "basic eye": "baseline",
    "basic-eye": "baseline",
    "made:": "synthetic:",
    "mend": "fix, hint",
    "quicken": "enable_cuda_graphs",
    "slim": "shrink",
    "at one stroke": "at once",
    "sent astray": "misdirected",
    "the obvious way": "say what somebody would do, and why not",
    "in its turn": "then",
}
KEEPS_OLD_WORDS = {"commentator_lib/old_names.py", "tests/test_pages.py", "tests/test_old_names.py"}


def identifiers(source):
    """Yield (part, line) for the parts of every name in Python source: `mend_me` and `MendMe` both give mend and me."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", token.string):
                yield part.lower(), token.start[0]


@by_page
def test_pages_use_words_that_a_newcomer_knows(page):
    if page in HISTORY:
        return
    for word in PRIVATE_WORDS:
        found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", PAGES[page], re.I)
        assert not found, f"{page}: {word!r}; say {PRIVATE_WORDS[word]!r}"


@pytest.mark.slow
def test_code_uses_names_that_a_newcomer_knows():
    found = []
    for name, text in tracked_texts():
        if name.endswith(".py") and name not in KEEPS_OLD_WORDS:
            found += [f"{name}:{line} {part}" for part, line in identifiers(text) if part in PRIVATE_WORDS]
    assert found == []


def test_the_states_of_a_comment_and_the_outcomes_of_a_cycle_are_explained():
    from commentator_lib.commentary.comment import State
    from commentator_lib.runs.record import OUTCOMES

    page = PAGES["docs/architecture.md"]
    life = page[page.index("## The life of a comment") : page.index("## Time")]
    for state in State:
        assert f"\n| {state.value} |" in life, state
    for outcome in OUTCOMES:
        assert f"`{outcome}`" in life, outcome
    assert f"| outcome | how a cycle ended: {', '.join(OUTCOMES)} |" in PAGES["docs/glossary.md"]
