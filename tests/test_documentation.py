"""What the documentation names is there: paths, modules, symbols, links and commands."""

import re
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.test_architecture import COMMANDS, ROOT, SOURCE_ROOTS, tracked

PAGES = sorted(
    path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"
)  # a changelog names what there was
PACKAGES = set.union(*SOURCE_ROOTS.values())
ROOMS = {path.parent.name for path in (ROOT / "platform" / "voxsiam").glob("*/__init__.py")}
OURS = (*SOURCE_ROOTS, "tests", "docs", ".ci")

FOREIGN = {
    "OptunaSearch",
    "grpc.health.v1.Health/Check",
    "log_batch",
    "reuse_actors",
    "streaming_split",
    "worker_process_setup_hook",
}
"""Names of other programs that our files do not hold."""


def code_spans(text):
    """Yield what stands between back quotes, outside of blocks."""
    for token in MarkdownIt().enable("table").parse(text):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


def code_blocks(text):
    for token in MarkdownIt().enable("table").parse(text):
        if token.type in {"fence", "code_block"}:
            yield token.content


@cache
def known_paths():
    files = {str(path) for path in tracked()}
    return files | {str(parent) for name in files for parent in Path(name).parents}


@cache
def source_words():
    words = set()
    for path in tracked():
        if path.suffix not in {".md", ".png"} and path.name != Path(__file__).name:
            words |= set(re.findall(r"\w+", (ROOT / path).read_text()))
    return words


def is_there(path):
    """Tell whether a path exists: whole from the root, or the end of one where it is a module."""
    pattern = re.sub(r"<\w+>", "*", path).rstrip("/")
    whole = pattern.split("/")[0] in OURS
    ends = f"/{pattern}" if whole else f"*/{pattern}"
    return any(fnmatch(f"/{known}", ends) for known in known_paths())


def resolves(name):
    """Tell whether a dotted name is a module, or stands in one."""
    module, *rest = name.split(".")
    found = import_module(module)
    for part in rest:
        if not hasattr(found, part):
            try:
                import_module(f"{found.__name__}.{part}")
            except (ImportError, AttributeError):
                return False
        found = getattr(found, part)
    return True


@cache
def all_source():
    return "\n".join((ROOT / p).read_text() for p in tracked() if p.suffix in {".py", ".mjs"})


def wrong_in(span):
    """Say what is wrong with a span of code; None where it is right, or no name of ours."""
    if re.search(r"[\s=()]", span) or span in FOREIGN:
        return None
    if span.split("/")[0] in OURS or span.endswith(".py"):
        return None if is_there(span) else "there is no such path"
    if span.split(".")[0] in PACKAGES and "." in span:
        is_name = span.count(".") == 1 and f'"{span}"' in all_source()  # a tag in MLflow
        return None if is_name or resolves(span) else "there is no such module or symbol"
    if span.split(".")[0] in ROOMS and "." in span:
        return None if resolves(f"voxsiam.{span}") else "voxsiam holds no such module or symbol"
    if re.fullmatch(r"[A-Za-z]\w*(\.\w+)*", span) and re.search(r"_|[a-z][A-Z]", span):
        # Ray puts its name before those of our metrics.
        words = span.removeprefix("ray_").split(".")
        unknown = [word for word in words if word not in source_words()]
        return f"no file of the project holds {unknown[0]}" if unknown else None
    return None


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_module_and_symbol_is_there(page):
    spans = dict.fromkeys(code_spans((ROOT / page).read_text()))
    wrong = {span: told for span in spans if (told := wrong_in(span))}
    for block in code_blocks((ROOT / page).read_text()):
        named = re.findall(r"(?<![\w./-])(?:platform|data_pipelines|tests|docs)/[\w./-]+", block)
        made = {path for path in named if "/secrets/" in path or path.endswith("/.env")}
        wrong |= {p: "there is no such path" for p in named if p not in made and not is_there(p)}
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert (ROOT / page.parent / target).exists(), target


def commands_in(text):
    """Yield the words of every call of our program, its examples with `\\` joined."""
    for block in (*code_blocks(text), *code_spans(text)):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"(?:\$ )?(?:\.venv/bin/)?voxsiam (.*)", line.strip())
            if found:
                yield re.split(r"\s+#", found[1])[0].split()


def wrong_command(words):
    """Say what is wrong with a call; a submitted command is one of its own."""
    if "--" in words:
        place = words.index("--")
        return wrong_command(words[:place]) or wrong_command(words[place + 1 :])
    names = [word for word in words if not word.startswith("-")]
    verbs = [" ".join(names[:n]) for n in (2, 1) if " ".join(names[:n]) in COMMANDS]
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    if not verbs:
        alone = len(names) == 1 and names[0] in groups
        return None if alone or not names else f"there is no command {' '.join(names[:2])}"
    options = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
    unknown = options - COMMANDS[verbs[0]] - {"--help", "--debug"} - negations(verbs[0])
    return f"{verbs[0]} has no {unknown.pop()}" if unknown else None


def negations(verb):
    return {option.replace("--", "--no-", 1) for option in COMMANDS[verb]}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_can_be_given(page):
    text = (ROOT / page).read_text()
    wrong = {" ".join(words): told for words in commands_in(text) if (told := wrong_command(words))}
    assert not wrong


@pytest.mark.parametrize(
    "span",
    [
        "platform/voxsiam/orchestration/study_job.py",
        "orchestration/study_job.py",
        "train_job.IDLE_HELPERS",
        "voxsiam.training.config",
        "voxsiam.training.loop.no_such",
        "training.config",
        "dashboards/nothing",
        "study_job",
        "NoSuchError",
    ],
)
def test_what_is_gone_is_seen(span):
    assert wrong_in(span)


@pytest.mark.parametrize(
    "words", ["study runn table3", "study run table3 --presets tiny", "submit -- study rum x"]
)
def test_a_command_that_is_gone_is_seen(words):
    assert wrong_command(words.split())
