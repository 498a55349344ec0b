"""The queue is empty before and after each test here."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_queue(empty_queue):
    pass
