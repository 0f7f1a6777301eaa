"""The folders that are compared with papers."""

from __future__ import annotations

import pytest
from reportfolders import Folders, make_folders


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A complete run with its model and fit."""
    return make_folders(tmp_path_factory.mktemp("complete"))
