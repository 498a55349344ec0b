"""``labelvet cache`` as its user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from labelvet.embeddings.crops import CropSettings
from labelvet.embeddings.store import EmbeddingStore

LABELVET = str(Path(sys.executable).with_name("labelvet"))


def labelvet(folder, *arguments):
    result = subprocess.run(
        [LABELVET, *arguments],
        env={**os.environ, "LABELVET_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.processes
def test_shows_and_clears_what_is_kept(tmp_path):
    assert "No embeddings are kept" in labelvet(tmp_path, "cache")
    store = EmbeddingStore("some-backbone", "digest", "float32", CropSettings(), tmp_path)
    keys = np.arange(300 * 16, dtype=np.uint16).astype(np.uint8).reshape(-1, 16)
    store.write(keys.view("V16").reshape(-1), np.zeros((300, 1024), dtype=np.float32))
    shown = labelvet(tmp_path, "cache")
    assert "300 embeddings, 1.2 MB" in shown and "some-backbone" in shown
    check = tmp_path / "checks" / "dataset-0123456789ab"
    check.mkdir(parents=True)
    (check / "database").write_bytes(bytes(3 << 20))
    assert f"1 checked dataset, 3.0 MB, in '{check.parent}'" in labelvet(tmp_path, "cache")
    assert "Freed 1.2 MB" in labelvet(tmp_path, "cache", "--clear")
    assert "No embeddings are kept" in labelvet(tmp_path, "cache")
