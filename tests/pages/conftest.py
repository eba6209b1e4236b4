"""Fixtures for what is run in clean environments."""

from __future__ import annotations

import os

import pytest

from .clean import Clean


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The environments that pages install; the workers share them."""
    folder = tmp_path_factory.getbasetemp()
    return Clean((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "clean")
