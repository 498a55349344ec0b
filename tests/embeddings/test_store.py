"""The store: nothing is embedded twice, and nothing that was finished is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import tables
import torch
from labelvet.core.errors import Cancelled, StoreFull
from labelvet.core.progress import Progress
from labelvet.embeddings import embedder, store
from labelvet.embeddings import shards as shards_module
from labelvet.embeddings.backbones import load_backbone
from labelvet.embeddings.crops import CropSettings
from labelvet.embeddings.decoding import DecodingThreads
from labelvet.embeddings.embedder import embed_patches
from labelvet.embeddings.hardware import Hardware
from labelvet.embeddings.store import (
    allocate,
    clear_store,
    patch_keys,
    shrink_store,
    summarize_store,
)
from PIL import Image
from tables import make_table, shards

BY_3, BY_4, BY_12 = (Hardware(batch_size=size) for size in (3, 4, 12))


@pytest.fixture(scope="module")
def backbone():
    return load_backbone()


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def table(tmp_path):
    """Ten images with four patches each."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(10):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(paths[-1])
    return make_table(
        paths,
        np.tile(
            [[0, 0, 0.5, 0.5], [0.5, 0, 0.5, 0.5], [0, 0.5, 0.5, 0.5], [0.2, 0.2, 0.6, 0.7]],
            (10, 1),
        ),
    )


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(embedder, "SHARD_PATCHES", 8)


@pytest.mark.slow
def test_nothing_is_embedded_twice(table, backbone, small_shards):
    first = embed_patches(table, backbone)
    again = embed_patches(table, backbone)
    assert (first.reused, again.reused) == (0, 40)
    assert np.array_equal(first.vectors, again.vectors)
    without = embed_patches(table, backbone, use_store=False)
    assert without.reused == 0
    # batches are composed differently, and the processor may compute in bf16
    np.testing.assert_allclose(without.vectors, first.vectors, atol=0.05)


@pytest.mark.slow
def test_whatever_changes_the_result_is_part_of_the_key(table, backbone, tmp_path):
    embed_patches(table, backbone)
    boxes = table.boxes.copy()
    boxes[3] = [0.1, 0.1, 0.3, 0.3]
    moved = make_table(list(table.filepaths), boxes)
    assert embed_patches(moved, backbone).reused == 39
    assert embed_patches(table, backbone, CropSettings(alpha=0.1)).reused == 0
    assert embed_patches(table, load_backbone(precision="fp16"), CropSettings()).reused == 0
    Image.new("RGB", (60, 40), "red").save(table.filepaths[0])
    changed = embed_patches(table, backbone)
    assert changed.reused == 36
    assert np.allclose(changed.vectors[0], changed.vectors[1], atol=0.05)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no shard at all"])
def test_a_damaged_shard_is_embedded_again(table, backbone, small_shards, own_store, damage):
    first = embed_patches(table, backbone)
    path = shards(own_store)[2]
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-100] ^= 0xFF
    damaged = {"truncated": content[:-50], "flipped": content, "empty": b""}.get(damage, b"x" * 99)
    path.write_bytes(damaged)
    again = embed_patches(table, backbone)
    assert again.reused == 40 - 8
    assert np.array_equal(first.vectors, again.vectors)
    assert not path.exists()


def test_a_cancelled_run_keeps_what_it_did(table, backbone, own_store, monkeypatch):
    cancelled = threading.Event()
    embed, batches = backbone.embed, []

    def embed_and_cancel(inputs):
        batches.append(inputs)
        if len(batches) == 3:
            cancelled.set()
        return embed(inputs)

    monkeypatch.setattr(backbone, "embed", embed_and_cancel)
    with pytest.raises(Cancelled):
        embed_patches(table, backbone, hardware=BY_4, progress=Progress(None, cancelled))
    monkeypatch.undo()
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(own_store))
    assert embed_patches(table, backbone).reused == 12


@pytest.mark.processes
def test_a_killed_run_loses_one_shard_at_most(table, backbone, small_shards, own_store, tmp_path):
    undisturbed = embed_patches(table, backbone, hardware=BY_4).vectors
    clear_store()
    np.savez(tmp_path / "table.npz", paths=table.filepaths.astype(str), boxes=table.boxes)
    code = f"""
        import os, signal, sys
        import numpy as np
        sys.path.insert(0, {os.path.dirname(tables.__file__)!r})
        from tables import make_table
        from labelvet.embeddings import embedder
        from labelvet.embeddings.backbones import load_backbone
        from labelvet.core.progress import Progress
        from labelvet.embeddings.hardware import Hardware
        embedder.SHARD_PATCHES = 8
        data = np.load({str(tmp_path / "table.npz")!r})
        backbone = load_backbone()
        embed, batches = backbone.embed, []
        def embed_some(inputs):
            batches.append(len(inputs))
            if sum(batches) > 20:
                os.kill(os.getpid(), signal.SIGKILL)
            return embed(inputs)
        backbone.embed = embed_some
        embedder.embed_patches(make_table(list(data["paths"]), data["boxes"]), backbone,
                               hardware=Hardware(batch_size=4))
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    resumed = embed_patches(table, backbone, hardware=BY_4)
    assert resumed.reused == 16
    assert np.array_equal(resumed.vectors, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_a_shard_comes_back_in_pieces(table, backbone, monkeypatch, seconds):
    """As from a process of a cluster, with an image that cannot be read and a bad embedding."""
    with open(table.filepaths[4], "wb") as file:
        file.write(b"no image")
    expected = embed_patches(table, backbone, use_store=False, hardware=BY_3)
    embed, batches = backbone.embed, []

    def embed_badly(inputs):
        vectors = embed(inputs).copy()
        batches.append(len(inputs))
        if len(batches) == 2:
            vectors[2] = np.nan
        return vectors

    monkeypatch.setattr(backbone, "embed", embed_badly)
    monkeypatch.setattr(embedder, "_SECONDS_PER_PIECE", seconds)
    done, rows, vectors, unreadable, failed = 0, [], [], {}, {}
    with DecodingThreads(1) as threads:
        for count, piece in embedder.embed_shard(table, backbone, CropSettings(), BY_3, threads):
            assert (piece.rows < count).all()
            rows += (done + piece.rows).tolist()
            vectors += list(piece.vectors)
            done += count
            unreadable, failed = unreadable | piece.unreadable, failed | piece.failed
    assert done == 40 and set(rows) == set(expected.rows.tolist()) - {5}
    assert len(rows) == len(set(rows))
    assert unreadable == expected.unreadable and set(failed) == {table.ids[5]}
    np.testing.assert_array_equal(vectors, expected.vectors[np.isin(expected.rows, rows)])


@pytest.mark.slow
def test_two_runs_at_once_on_one_store(table, backbone, small_shards):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(embed_patches(table, load_backbone())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(results[0].vectors, results[1].vectors)
    assert embed_patches(table, backbone).reused == 40


def test_a_full_disk_is_named_and_nothing_half_written_stays(
    table, backbone, small_shards, own_store, monkeypatch
):
    write, calls = shards_module.save_file, []

    def full(tensors, path, metadata):
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(tensors, path, metadata)

    monkeypatch.setattr(shards_module, "save_file", full)
    with pytest.raises(StoreFull, match="LABELVET_CACHE_DIR"):
        embed_patches(table, backbone)
    assert len(shards(own_store)) == 2
    assert not list(own_store.rglob("*.unfinished"))
    monkeypatch.setattr(shards_module, "save_file", write)
    assert embed_patches(table, backbone).reused == 16


def test_a_store_that_is_cleared_during_a_run_costs_the_next_run_alone(
    table, backbone, small_shards, monkeypatch
):
    embed, batches = backbone.embed, []

    def embed_and_clear(inputs):
        batches.append(inputs)
        if len(batches) == 4:  # of the second shard
            clear_store()
        return embed(inputs)

    monkeypatch.setattr(backbone, "embed", embed_and_clear)
    embedded = embed_patches(table, backbone, hardware=BY_4)
    assert embedded.rows.tolist() == list(range(40)) and not embedded.failed
    again = embed_patches(table, backbone)
    assert again.reused == 32 and len(again.rows) == 40


def test_the_store_is_shown_shrunk_and_cleared(table, backbone, small_shards, own_store):
    assert summarize_store().patches == 0
    embed_patches(table, backbone)
    summary = summarize_store()
    assert (summary.shards, summary.patches) == (5, 40)
    assert list(summary.backbones) == ["efficientnet-lite0"]
    os.utime(shards(own_store)[0], (1, 1))
    oldest = shards(own_store)[0]
    assert shrink_store(summary.size) == 0
    assert shrink_store(summary.size - 1) > 0
    assert not oldest.exists() and len(shards(own_store)) == 4
    left = summarize_store().size
    assert clear_store() == left > 0
    assert summarize_store().shards == 0


def test_many_vectors_live_in_a_file_that_vanishes(monkeypatch, own_store):
    monkeypatch.setattr(store, "_MAX_IN_MEMORY", 1000)
    vectors = allocate(100, 10)
    assert isinstance(vectors, np.memmap) and vectors.shape == (100, 10)
    vectors[:] = 1
    assert vectors.sum() == 1000
    assert not list(own_store.iterdir())


def test_the_same_patch_twice(backbone, table):
    twice = table.take(np.array([0, 1, 0, 5]))
    first = embed_patches(twice, backbone)
    again = embed_patches(twice, backbone)
    assert again.reused == 4
    assert np.array_equal(first.vectors[0], first.vectors[2])
    assert np.array_equal(first.vectors, again.vectors)


def test_keys_do_not_collide(table):
    assert len(np.unique(patch_keys(table, np.arange(40)))) == 40


@pytest.mark.slow
def test_a_batch_that_the_gpu_cannot_hold_is_halved(table, backbone, monkeypatch):
    expected = embed_patches(table, backbone, use_store=False, hardware=BY_3).vectors
    embed, sizes = backbone.embed, []

    def embed_three_at_most(inputs):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return embed(inputs)

    monkeypatch.setattr(backbone, "embed", embed_three_at_most)
    embedded = embed_patches(table, backbone, use_store=False, hardware=BY_12)
    assert len(embedded.rows) == 40 and set(sizes) == {12, 6, 3, 4, 2}
    np.testing.assert_allclose(embedded.vectors, expected, atol=0.05)

    def embed_nothing(inputs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(backbone, "embed", embed_nothing)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        embed_patches(table, backbone, use_store=False)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "batches"), [(36, [36, 36]), (50, [50]), (300, [64])])
def test_the_batches_of_a_gpu_have_few_sizes(table, backbone, monkeypatch, size, batches):
    hardware = Hardware(batch_size=size)
    expected = embed_patches(table, backbone, use_store=False, hardware=hardware).vectors
    embed, sizes = backbone.embed, []

    def note(inputs):
        sizes.append(len(inputs))
        return embed(inputs)

    monkeypatch.setattr(backbone, "embed", note)
    monkeypatch.setattr(backbone, "device", "cuda:0")
    embedded = embed_patches(table, backbone, use_store=False, hardware=hardware)
    assert sizes == batches  # of 40 patches
    assert len(embedded.rows) == 40
    np.testing.assert_allclose(embedded.vectors, expected, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("use_store", [True, False])
def test_an_embedding_that_is_no_number_is_left_out_and_not_kept(
    table, backbone, monkeypatch, own_store, use_store
):
    embed, batches = backbone.embed, []

    def embed_badly(inputs):
        vectors = embed(inputs).copy()
        batches.append(len(inputs))
        if len(batches) == 2:
            vectors[1, 3], vectors[2, 5] = np.nan, np.inf
        return vectors

    monkeypatch.setattr(backbone, "embed", embed_badly)
    embedded = embed_patches(table, backbone, use_store=use_store, hardware=BY_4)
    bad = table.ids[[5, 6]].tolist()
    assert set(embedded.failed) == set(bad) and len(embedded.rows) == 38
    assert all("not a number" in reason for reason in embedded.failed.values())
    assert np.isfinite(embedded.vectors).all()
    monkeypatch.setattr(backbone, "embed", embed)
    again = embed_patches(table, backbone, use_store=use_store)
    assert len(again.rows) == 40 and again.reused == (38 if use_store else 0)


def test_a_decoder_that_fails_ends_the_run_and_keeps_what_was_done(
    table, backbone, small_shards, monkeypatch
):
    """Images are decoded in threads of the run's own process: what one raises, the run raises."""
    cut = embedder.cut_crops

    def cut_until_the_last(image, boxes, settings):
        if len(images := [*seen, image]) > 8:
            raise MemoryError("a decoder died")
        seen[:] = images
        return cut(image, boxes, settings)

    seen = []
    monkeypatch.setattr(embedder, "cut_crops", cut_until_the_last)
    with pytest.raises(MemoryError, match="a decoder died"):
        embed_patches(table, backbone, hardware=Hardware(num_workers=1))
    monkeypatch.setattr(embedder, "cut_crops", cut)
    assert embed_patches(table, backbone).reused == 32
