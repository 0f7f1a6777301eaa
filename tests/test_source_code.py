"""Which files count as the code of a result."""

from __future__ import annotations

from pathlib import Path

import pytest

import massgap
from massgap import source_code
from massgap.source_code import imported_digest, imported_files, is_own_file, package_digest

PACKAGE = Path(massgap.__file__).parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process reads a file once; these tests change files within one process."""
    for function in (imported_digest, package_digest, source_code._imports_of):
        function.cache_clear()


def names(path: Path) -> set[str]:
    return {file.name for file in imported_files(path)}


def test_imports_are_followed_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    for name in ("__init__", "one", "two", "three", "four", "never", "inner/__init__", "inner/five"):
        (tmp_path / "package" / f"{name}.py").write_text("")
    (tmp_path / "package" / "two.py").write_text("from . import three\nfrom .inner.five import something\n")
    (tmp_path / "late.py").write_text("")
    (tmp_path / "comment.py").write_text("")
    (tmp_path / "main.py").write_text(
        "import math, package.one as first\n"
        "from typing import TYPE_CHECKING\n"
        "from package import (\n    two,  # a, comment\n    CONSTANT,\n)\n"
        "if TYPE_CHECKING:\n    from package import never\n\n"
        "def f():\n    from package.four import f as g\n    import late\n"
        "# import comment\n"
    )
    assert names(tmp_path / "main.py") == {
        "main.py", "__init__.py", "one.py", "two.py", "three.py", "four.py", "five.py", "late.py"
    }  # fmt: skip


def test_imports_may_go_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a_part.py").write_text("import b_part\n")
    (tmp_path / "b_part.py").write_text("import a_part\n")
    assert names(tmp_path / "a_part.py") == {"a_part.py", "b_part.py"}


def test_libraries_are_left_out_and_massgap_is_not(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import numpy, json\nfrom massgap.fits import errors\n")
    found = imported_files(tmp_path / "main.py")
    assert PACKAGE / "fits" / "errors.py" in found
    assert not [path for path in found if "numpy" in str(path) or "json" in path.parts]


def test_an_analysis_in_the_repository_is_the_users_own() -> None:
    """Behind the links of the rooms lies the repository: it must not count as massgap."""
    assert is_own_file(PACKAGE.parent / "examples" / "my_analysis.py")
    assert is_own_file(PACKAGE.parent / "processors" / "mine.py")
    assert not is_own_file(PACKAGE / "processors" / "slepton.py")
    assert not is_own_file(pytest.__file__)


def test_the_digest_follows_what_is_imported(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import part\n")
    (tmp_path / "part.py").write_text("CUT = 5\n")
    before = imported_digest(tmp_path / "main.py")
    imported_digest.cache_clear()
    assert imported_digest(tmp_path / "main.py") == before
    (tmp_path / "part.py").write_text("CUT = 50\n")
    imported_digest.cache_clear()
    assert imported_digest(tmp_path / "main.py") != before


def test_the_package_is_walked_through_its_links_and_all_depths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "massgap"
    deep = tmp_path / "room" / "deep" / "deeper"
    deep.mkdir(parents=True)
    package.mkdir()
    (package / "room").symlink_to("../room")
    (package / "shown.py").write_text("")
    (deep / "module.py").write_text("A = 1\n")
    (deep / "card.toml").write_text("a = 1\n")
    monkeypatch.setattr(source_code, "PACKAGE", package)

    def digests() -> tuple[str, str]:
        package_digest.cache_clear()
        return package_digest(), package_digest(without=("room",))

    first = digests()
    (deep / "__pycache__").mkdir()
    (deep / "__pycache__" / "module.pyc").write_text("")
    assert digests() == first
    for name in ("module.py", "card.toml"):
        (deep / name).write_text("A = 2\n")
        second = digests()
        assert second[0] != first[0]
        assert second[1] == first[1]
        first = second
    with pytest.raises(ValueError, match="massgap has no rooms"):
        package_digest(without=("rooms",))
