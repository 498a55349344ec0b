"""The store on a disk that is full, read-only or not there, and with files that are not its own."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from contextlib import closing

import numpy as np
import pytest
import torch
from labelvet.core.errors import StoreFull
from labelvet.embeddings import embedder, key_index, store
from labelvet.embeddings.crops import CropSettings
from labelvet.embeddings.embedder import embed_patches
from labelvet.embeddings.shards import read_keys, read_rows, write_shard
from labelvet.embeddings.store import EmbeddingStore, patch_keys
from mean_color import MeanColor
from PIL import Image
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch_file
from safetensors.torch import save_file as save_torch_file
from tables import make_table, shards


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(embedder, "SHARD_PATCHES", 8)
    return tmp_path / "cache"


@pytest.fixture
def table(tmp_path):
    """Ten images with four patches each."""
    rng, paths = np.random.default_rng(0), []
    for number in range(10):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(paths[-1])
    boxes = [[0, 0, 0.5, 0.5], [0.5, 0, 0.5, 0.5], [0, 0.5, 0.5, 0.5], [0.2, 0.2, 0.6, 0.7]]
    return make_table(paths, np.tile(boxes, (10, 1)))


def a_store():
    return EmbeddingStore("mean", "0", "float32", CropSettings())


def random_keys(rng, n):
    return rng.integers(0, 256, (n, 16), dtype=np.uint8).view("V16").reshape(-1)


def test_a_file_in_the_place_of_the_folder_costs_the_store_alone(table, own_store):
    own_store.write_text("not a folder")
    embedded = embed_patches(table, MeanColor())
    assert len(embedded.rows) == 40 and embedded.vectors.shape == (40, 12)
    (note,) = embedded.notes
    assert "could not be kept" in note and str(own_store) in note


def test_a_limit_of_file_sizes_costs_the_store_alone(table, own_store):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        embedded = embed_patches(table, MeanColor())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(embedded.rows) == 40 and len(embedded.notes) == 1
    assert not shards(own_store) and not list(own_store.rglob("*.unfinished"))


def test_vectors_that_no_file_can_hold_are_kept_in_memory(monkeypatch, own_store):
    monkeypatch.setattr(store, "_MAX_IN_MEMORY", 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        vectors = store.allocate(100, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not isinstance(vectors, np.memmap)
    vectors[:] = 1
    assert isinstance(store.allocate(100, 10), np.memmap)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def freeze(own_store):
    """Makes the cache read-only as a mount is, which root cannot write to either; without the right
    to mount, nobody but root can be kept from writing."""
    own_store.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(own_store)], capture_output=True
    )
    if mounted.returncode == 0:
        yield lambda: subprocess.run(
            ["mount", "-o", "remount,ro", str(own_store)], check=True, capture_output=True
        )
        subprocess.run(["umount", str(own_store)], check=True)
    elif os.geteuid():
        folders = [own_store]

        def forbid():
            folders.extend(path for path in own_store.rglob("*") if path.is_dir())
            for folder in folders:
                folder.chmod(0o555)

        yield forbid
        for folder in folders:
            folder.chmod(0o755)
    else:
        pytest.skip("a read-only cache needs the right to mount one, or a user who is not root")


@pytest.mark.parametrize("images", [0, 5, 10])
def test_a_read_only_cache_is_read_and_costs_no_run(table, own_store, freeze, images):
    if images:
        embed_patches(table.take(np.arange(4 * images)), MeanColor())
    freeze()
    with pytest.raises(OSError):
        (own_store / "written").write_text("x")
    files = sorted(path for path in own_store.rglob("*") if path.is_file())
    for _ in range(2):
        embedded = embed_patches(table, MeanColor())
        assert len(embedded.rows) == 40 and embedded.reused == 4 * images
        assert np.allclose(embedded.vectors[0, :3], embedded.vectors[0, 3:6])
    assert len(embedded.notes) == (images < 10)
    assert all("could not be kept" in note and str(own_store) in note for note in embedded.notes)
    assert sorted(path for path in own_store.rglob("*") if path.is_file()) == files


def test_a_nearly_full_disk_ends_no_process(small_disk, monkeypatch):
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(small_disk))
    monkeypatch.setattr(store, "_MAX_IN_MEMORY", 1000)
    vectors = store.allocate(1000, 1000)  # four megabytes
    vectors[:] = 1  # a sparse map would end this process here
    memory = type("Memory", (), {"available": 0})
    monkeypatch.setattr(store.psutil, "virtual_memory", lambda: memory)
    with pytest.raises(StoreFull, match="no room"):
        store.allocate(1000, 1000)


def test_a_crafted_shard_of_another_dimension_is_dropped(table, own_store):
    first = embed_patches(table, MeanColor())
    path = shards(own_store)[0]
    write_shard(path.with_name("0.safetensors"), read_keys(path), np.ones((8, 3), np.float32))
    path.unlink()
    again = embed_patches(table, MeanColor())
    assert np.array_equal(again.vectors, first.vectors)
    assert not path.with_name("0.safetensors").exists()
    assert embed_patches(table, MeanColor()).reused == 40


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_crafted_shard_that_holds_no_numbers_is_dropped(table, own_store, value):
    first = embed_patches(table, MeanColor())
    path = shards(own_store)[0]
    write_shard(path, read_keys(path), np.full((8, 12), value, np.float32))
    again = embed_patches(table, MeanColor())
    assert again.reused == 32 and np.array_equal(again.vectors, first.vectors)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("vectors", torch.tensor(1.0)),
        ("vectors", torch.ones(8, 12, dtype=torch.bfloat16)),
        ("checksums", torch.tensor(1, dtype=torch.int64)),
        ("checksums", torch.ones(8, 12)),
        ("keys", torch.tensor(1, dtype=torch.uint8)),
        ("keys", torch.ones(8, 16, dtype=torch.bfloat16)),
    ],
)
def test_a_crafted_shard_of_other_shapes_and_types_is_dropped(table, own_store, name, tensor):
    first = embed_patches(table, MeanColor())
    path = shards(own_store)[0]
    save_torch_file({**load_torch_file(path), name: tensor}, path)
    assert store.summarize_store().shards == 5
    again = embed_patches(table, MeanColor())
    assert again.reused == 32 and np.array_equal(again.vectors, first.vectors)
    assert embed_patches(table, MeanColor()).reused == 40


def test_a_shard_of_another_dimension_that_cannot_be_dropped(table, own_store, monkeypatch):
    first = embed_patches(table, MeanColor())
    path = shards(own_store)[0]
    write_shard(path.with_name("0.safetensors"), read_keys(path), np.ones((8, 3), np.float32))
    monkeypatch.setattr(store, "_drop", lambda *_: None)
    again = embed_patches(table, MeanColor())
    assert again.reused == 0 and np.array_equal(again.vectors, first.vectors)


def test_the_first_shard_does_not_decide_which_are_right(table, own_store):
    embed_patches(table, MeanColor())
    path = shards(own_store)[0]
    crafted = path.with_name("0.safetensors")
    write_shard(crafted, read_keys(path), np.ones((8, 3), np.float32))
    a_store().gather(patch_keys(table, np.arange(40)))
    assert len(shards(own_store)) == 6
    assert embed_patches(table, MeanColor()).reused == 40
    assert not crafted.exists() and len(shards(own_store)) == 5


def test_shards_of_the_first_versions_are_read(table, own_store):
    first = embed_patches(table, MeanColor())
    for path in shards(own_store):
        tensors = {name: load_file(path)[name] for name in ("keys", "vectors")}
        digest = store.hashlib.blake2b(digest_size=16)
        for name in sorted(tensors):
            digest.update(tensors[name].data)
        save_file(tensors, path, metadata={"checksum": digest.hexdigest()})
    again = embed_patches(table, MeanColor())
    assert again.reused == 40 and np.array_equal(again.vectors, first.vectors)


def test_nothing_is_written_through_a_link(table, own_store, tmp_path):
    folder, elsewhere = a_store().folder, tmp_path / "elsewhere"
    folder.mkdir(parents=True)
    (folder / "identity.json").symlink_to(elsewhere)
    assert len(embed_patches(table, MeanColor()).rows) == 40
    assert not elsewhere.exists() and len(shards(own_store)) == 5


def test_what_was_embedded_is_used_whatever_becomes_of_the_store(table, own_store, monkeypatch):
    backbone, batches = MeanColor(), []

    def embed_and_clear(inputs):
        batches.append(inputs)
        store.clear_store()
        return MeanColor().embed(inputs)

    monkeypatch.setattr(backbone, "embed", embed_and_clear)
    embedded = embed_patches(table, backbone)
    assert len(embedded.rows) == 40 and not embedded.failed


@pytest.fixture
def many_shards(own_store):
    """A store of 80 shards with 100 embeddings each, and their keys."""
    rng, kept, keys = np.random.default_rng(1), a_store(), []
    for _ in range(80):
        keys.append(random_keys(rng, 100))
        kept.write(keys[-1], rng.random((100, 12), dtype=np.float32))
    return kept, np.concatenate(keys)


def test_few_keys_cost_what_they_touch(many_shards, monkeypatch):
    kept, keys = many_shards
    wanted = keys[[5, 250, 251, 7999]]
    expected, _ = kept.gather(keys)  # which reads them all
    vectors, found = kept.gather(wanted)
    assert found.all() and np.array_equal(vectors, expected[[5, 250, 251, 7999]])
    touched = []
    monkeypatch.setattr(
        store, "read_rows", lambda path, *rest: touched.append(path) or read_rows(path, *rest)
    )
    monkeypatch.setattr(key_index, "read_keys", None)  # nothing is indexed twice
    monkeypatch.setattr(store, "read_keys", None)
    vectors, found = kept.gather(np.concatenate([wanted, np.zeros(1, "V16")]))
    assert found.tolist() == [True] * 4 + [False] and len(touched) == 3


def test_the_index_follows_the_shards(many_shards, own_store):
    kept, keys = many_shards
    assert kept.gather(keys[:3])[1].all()
    for path in shards(own_store):
        if np.isin(keys[:1], read_keys(path)).any():
            path.unlink()
    assert kept.gather(keys[[0, 100]])[1].tolist() == [False, True]
    kept.write(keys[:100], np.ones((100, 12), np.float32))
    vectors, found = kept.gather(keys[:3])
    assert found.all() and (vectors == 1).all()


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_an_index_that_is_damaged_is_made_anew(many_shards, content):
    kept, keys = many_shards
    (kept.folder / key_index.INDEX_NAME).write_bytes(content)
    assert kept.gather(keys[:3])[1].all()
    assert kept.gather(keys[:3])[1].all()
    assert (kept.folder / key_index.INDEX_NAME).read_bytes().startswith(b"SQLite")


def test_another_process_that_indexes_the_same_shard_harms_nothing(many_shards, monkeypatch):
    kept, keys = many_shards
    index = kept.folder / key_index.INDEX_NAME
    assert kept.gather(keys[:3])[1].all()
    new = random_keys(np.random.default_rng(2), 100)
    kept.write(new, np.ones((100, 12), np.float32))
    meanwhile = []

    def read_after_the_other(path):
        with closing(sqlite3.connect(index)) as other, other:
            other.execute("INSERT INTO shards (name) VALUES (?)", (path.name,))
        meanwhile.append(index.stat().st_ino)
        return read_keys(path)

    monkeypatch.setattr(key_index, "read_keys", read_after_the_other)
    assert kept.gather(new[:3])[1].all()
    assert meanwhile == [index.stat().st_ino]
    monkeypatch.setattr(store, "read_keys", None)  # it is found by the index
    assert kept.gather(new[:3])[1].all()


def test_a_row_that_was_changed_is_found_without_reading_the_others(many_shards, own_store):
    kept, keys = many_shards
    (path,) = (p for p in shards(own_store) if np.isin(keys[:1], read_keys(p)).any())
    content = bytearray(path.read_bytes())
    row = load_file(path)["vectors"][0].tobytes()
    content[content.index(row)] ^= 0xFF
    path.write_bytes(content)
    assert kept.gather(keys[1:2])[1].all()
    assert not kept.gather(keys[:1])[1].any()
    assert not path.exists()


def test_a_key_asked_for_twice(table):
    keys = patch_keys(table, np.zeros(3, dtype=np.int64))
    a_store().write(keys[:1], np.ones((1, 12), np.float32))
    vectors, found = a_store().gather(keys)
    assert found.all() and (vectors == 1).all()
