"""Docstrings name their subject: none begins with What, Whether or How, and those of functions begin with a verb.

Tests patch no module constants.
"""

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_FOLDERS = ("layers", "functions", "bench", "infra", "scripts", "tests")
_COPIED = ("data", "oracle")
"""Folders of tests that come from elsewhere."""
_QUESTION = re.compile(r"\s*(What|Whether|How)\b")


def _sources(path: Path) -> Iterator[Path]:
    """Yield the Python files below a folder, without copied ones."""
    copied = tuple(_ROOT / "tests" / name for name in _COPIED)
    return (file for file in sorted(path.rglob("*.py")) if not any(file.is_relative_to(folder) for folder in copied))


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings that are statements: docstrings, and strings below assignments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def _questions(source: Path) -> list[str]:
    """List the docstrings of a file that begin with a question word, with their lines."""
    found = (text for text in _docstrings(ast.parse(source.read_text())) if _QUESTION.match(str(text.value)))
    return [f"{source}:{text.lineno}: {str(text.value).strip().splitlines()[0]}" for text in found]


@pytest.mark.parametrize("folder", _FOLDERS)
def test_docstrings_begin_without_question_words(folder: str) -> None:
    sources = list(_sources(_ROOT / folder))
    assert sources, "the folder has been moved: change the list"
    assert [question for source in sources for question in _questions(source)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('"""What is stored."""', 1),
        ('class A:\n    """How it is."""\n    b = 1\n    """Whether it is."""', 2),
        ('async def a():\n    """Return what is stored."""', 0),
        ('a = "What is stored."\nb = 1\n"""However many."""', 0),
    ],
    ids=["module", "class_and_attribute", "question_word_within", "other_strings"],
)
def test_questions_are_found(tmp_path: Path, text: str, count: int) -> None:
    source = tmp_path / "source.py"
    source.write_text(text)
    assert len(_questions(source)) == count


_ARTICLES = frozenset(("The", "A", "An", "All", "Those", "Some", "Its", "Each", "Every"))
_NOUNS = ("property", "contextmanager", "fixture")
"""Decorators, or their ends, of functions that are called like what they give."""


def _is_called_by_a_noun(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for properties and context managers."""
    calls = (node.func if isinstance(node, ast.Call) else node for node in function.decorator_list)
    return any(ast.unparse(call).endswith(_NOUNS) for call in calls)


def _without_verb(source: Path) -> list[str]:
    """List the functions of a file whose docstrings begin with an article, with their lines."""
    tree = ast.parse(source.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    nouns = (
        node
        for node in functions
        if not _is_called_by_a_noun(node) and (ast.get_docstring(node) or " ").split(" ")[0] in _ARTICLES
    )
    return [f"{source}:{node.lineno}: {node.name}" for node in nouns]


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    product = _ROOT / "layers" / "spanlake"
    assert [noun for source in _sources(product) for noun in _without_verb(source)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('def a():\n    """The answer."""', 1),
        ('class A:\n    def a(self):\n        """An answer."""', 1),
        ('class A:\n    """An answer."""\n    @property\n    def a(self):\n        """The answer."""', 0),
        ('def a():\n    """Return the answer."""', 0),
    ],
    ids=["function", "method", "class_and_property", "verb"],
)
def test_functions_without_a_verb_are_found(tmp_path: Path, text: str, count: int) -> None:
    source = tmp_path / "source.py"
    source.write_text(text)
    assert len(_without_verb(source)) == count


_PATCHED = re.compile(r"""setattr\(\s*(?:[\w.]+, )?["'](?:[\w.]+\.)?_?[A-Z][A-Z_\d]+["']""")
_ANOTHER_VERSION = "FORMAT"
"""The constant that tests patch so that blocks are written as another version of spanlake writes them."""


def _patched_constants(text: str) -> list[str]:
    """List the patches of module constants in a test's text."""
    return [found for found in _PATCHED.findall(text) if _ANOTHER_VERSION not in found]


def test_tests_pass_policies_in_and_patch_no_constants() -> None:
    tests = _sources(_ROOT / "tests")
    assert [(file.name, found) for file in tests for found in _patched_constants(file.read_text())] == []


def test_patched_constants_are_found() -> None:
    patch = "monkeypatch." + "setattr"
    assert len(_patched_constants(f'{patch}(parts, "PART_SPANS", 2)\n{patch}("a.b._MOST", 2)')) == 2
    assert not _patched_constants(f'{patch}(Session, "run", spy)\n{patch}(schema, "FORMAT", 4)\nsetattr(a, name, 1)')


_SHARED = re.compile(r"""setattr\(\s*(?:["'](?:\w+\.)*(\w+)\.|(\w+), ["'])(\w+)["']""")
_SET_FOR_ALL = {"stderr", "stdout", "argv", "tempdir"}
"""Names that stand for no function: nothing goes wrong elsewhere while they are replaced."""


def _replaced_for_all(text: str) -> list[str]:
    """List the functions of the standard library that a test's text replaces for all threads of the process."""
    found = [(module or owner, name) for module, owner, name in _SHARED.findall(text)]
    return [
        f"{module}.{name}" for module, name in found if module in sys.stdlib_module_names and name not in _SET_FOR_ALL
    ]


def test_tests_replace_functions_of_the_standard_library_for_their_thread_alone() -> None:
    tests = _sources(_ROOT / "tests")
    assert [(file.name, found) for file in tests for found in _replaced_for_all(file.read_text())] == []


def test_functions_replaced_for_all_threads_are_found() -> None:
    patch = "monkeypatch." + "setattr"
    text = f'{patch}(asyncio, "sleep", s)\n{patch}("a.b.time.time_ns", s)\n{patch}(\n    "os.write", w)'
    assert _replaced_for_all(text) == ["asyncio.sleep", "time.time_ns", "os.write"]
    assert not _replaced_for_all(
        f'{patch}(sys, "stderr", s)\n{patch}("a.b.read", s)\npatch_here(patch, os, "write", w)'
    )


_RAISED = re.compile(r"\b[Rr]aises? ((?:[A-Z][a-z]\w+(?:, and | and |, | or )?)+)")
_OTHERS = {name for name in dir(builtins) if name[0].isupper()}


def _raised(source: Path) -> Iterator[tuple[str, str]]:
    """Yield the exceptions that the docstrings of a file say to be raised and that it does not import, with places."""
    tree = ast.parse(source.read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    for text in _docstrings(tree):
        for names in _RAISED.findall(str(text.value)):
            found = set(re.findall(r"[A-Z]\w+", names)) - imported
            yield from ((name, f"{source}:{text.lineno}") for name in sorted(found))


def test_docstrings_name_exceptions_that_exist() -> None:
    product = _ROOT / "layers" / "spanlake"
    defined = {
        node.name
        for source in _sources(product)
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    named = [found for source in _sources(product) for found in _raised(source)]
    assert len(named) > 100
    assert [place for name, place in named if name not in defined | _OTHERS] == []
