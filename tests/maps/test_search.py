"""Patches that look like an image: what is found, and what is said where nothing can be."""

from __future__ import annotations

import io
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter, ModelUnavailable, StaleRun, UnknownRun
from labelvet.dataset import stored_embeddings
from labelvet.dataset.stored_embeddings import load_embeddings
from labelvet.embeddings.crops import CropSettings, cut_crops
from labelvet.maps import search
from labelvet.maps.map import load_map
from labelvet.maps.search import MOST_BYTES, open_search, searches_of
from labelvet.visualization.compute import compute_visualization
from labelvet.visualization.update import update_visualization
from PIL import Image
from tiny_clip import NAME, write_tiny_clip

BOXES = [[0.0, 0.0, 0.5, 0.5], [0.5, 0.1, 0.4, 0.4], [0.1, 0.5, 0.8, 0.4]]
SQUARED = CropSettings(alpha=0.1, force_square=True)


def png(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


def blobs(rng):
    """An image of large blobs of color, which a backbone sees even after it is made smaller."""
    return np.asarray(
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)).resize((160, 120))
    )


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """Five images of 3 labels each with the maps ``patches``, ``squared`` and ``images``."""
    folder, rng = tmp_path_factory.mktemp("pictured"), np.random.default_rng(51)
    dataset = fo.Dataset()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(png(blobs(rng)))
        found = [fo.Detection(label="blob", bounding_box=box) for box in BOXES]
        path, detections = str(folder / f"{number}.png"), fo.Detections(detections=found)
        dataset.add_sample(fo.Sample(path, predictions=detections))
    for key, field, options in (
        ("patches", "predictions", {}),
        ("squared", "predictions", {"alpha": 0.1, "force_square": True}),
        ("images", None, {}),
    ):
        compute_visualization(dataset, field, key, method="pca", progress=False, **options)
    yield dataset
    dataset.delete()


def pixels_of(dataset, number):
    return np.asarray(Image.open(dataset.values("filepath")[number]))


@pytest.fixture(scope="module")
def worded(pictured, tmp_path_factory):
    """Those labels with the map ``worded``, made by FiftyOne's own CLIP with random weights."""
    zoo, fo.config.model_zoo_dir = fo.config.model_zoo_dir, str(tmp_path_factory.mktemp("zoo"))
    write_tiny_clip(Path(fo.config.model_zoo_dir))
    compute_visualization(
        pictured, "predictions", "worded", model=NAME, method="pca", progress=False
    )
    yield pictured
    fo.config.model_zoo_dir = zoo


def asking(dataset, key="patches"):
    return open_search(dataset, load_map(dataset, key))


@pytest.mark.slow
def test_the_crop_of_a_label_finds_that_label_first(pictured):
    find = asking(pictured)
    crops = cut_crops(pixels_of(pictured, 3), np.array(BOXES), CropSettings())
    for place, crop in enumerate(crops):
        near = find.near_image(png(crop), 4).tolist()
        assert near[0] == 9 + place and len(set(near)) == 4
    assert len(find.near_image(png(crops[0]), 1000)) == 15 and find.note is None


def test_labels_of_every_field_of_a_map_are_found(pictured):
    pictured.clone_sample_field("predictions", "truth")
    compute_visualization(pictured, ["predictions", "truth"], "both", method="pca", progress=False)
    (crop,) = cut_crops(pixels_of(pictured, 3), np.array(BOXES[1:2]), CropSettings())
    find = asking(pictured, "both")
    assert sorted(find.near_image(png(crop), 2).tolist()) == [10, 25] and find.note is None
    pictured.delete_brain_run("both")
    pictured.delete_sample_field("truth")


def test_an_image_is_cropped_as_the_labels_were(pictured):
    """A square is cut out of its middle, where those of the run are squares of their images."""
    pixels = pixels_of(pictured, 2)
    (square,) = cut_crops(pixels, np.array([BOXES[1]]), SQUARED)
    assert square.shape[0] == square.shape[1]
    wide = np.pad(square, ((0, 0), (20, 20), (0, 0)))
    find = asking(pictured, "squared")
    assert find.near_image(png(wide), 1).tolist() == [7]
    assert find._backbone is asking(pictured)._backbone  # which is loaded once


def test_a_run_that_was_replaced_meanwhile_is_stale(pictured):
    how = {"method": "pca", "progress": False}
    compute_visualization(pictured, None, "again", **how)
    before = load_map(pictured, "again")
    compute_visualization(pictured, None, "again", overwrite=True, **how)
    with pytest.raises(StaleRun, match="computed again"):
        open_search(pictured, before)


def test_words_are_compared_by_the_angle_with_a_backbone_that_knows_them(worded):
    import fiftyone.zoo as foz

    searches = searches_of(worded, load_map(worded, "worded"))
    assert searches.images and searches.words
    assert not searches_of(worded, load_map(worded, "patches")).words
    find, vectors = asking(worded, "worded"), load_embeddings(worded, "worded").vectors
    model = foz.load_zoo_model(NAME, device="cpu")
    for words in ("red", "person on a bike"):
        asked = model.embed_prompt(words)
        cosines = vectors @ asked / np.linalg.norm(vectors, axis=1) / np.linalg.norm(asked)
        assert find.near_words(f" {words} ", 15).tolist() == np.argsort(-cosines).tolist()
    (crop,) = cut_crops(pixels_of(worded, 3), np.array(BOXES[:1]), CropSettings())
    assert find.near_image(png(crop), 1).tolist() == [9]
    with pytest.raises(InvalidParameter, match="Write what to look for"):
        find.near_words(" \n", 5)
    with pytest.raises(InvalidParameter, match="knows no words"):
        asking(worded).near_words("red", 5)


def test_whole_images_are_found_upright(pictured):
    exif = Image.Exif()
    exif[0x0112] = 6  # people see it turned by a quarter, to the right
    turned = png(np.rot90(pixels_of(pictured, 1)).copy(), exif=exif)
    assert asking(pictured, "images").near_image(turned, 1).tolist() == [1]


def test_what_is_no_image_is_refused_with_a_sentence(pictured):
    find = asking(pictured)
    for content in (b"", b"text", b"\0" * (MOST_BYTES + 1), png(pixels_of(pictured, 0))[:200]):
        with pytest.raises(InvalidParameter, match=r"^(The image|An image) .*\.$"):
            find.near_image(content, 5)


def test_a_run_that_records_no_backbone_cannot_be_searched(judged):
    for key in ("ours", "theirs"):
        shown = load_map(judged, key)
        assert not searches_of(judged, shown).images
        with pytest.raises(InvalidParameter, match="which backbone embedded it"):
            open_search(judged, shown)


def test_what_the_store_has_lost_is_said(pictured, monkeypatch, tmp_path):
    whole = load_embeddings(pictured, "patches").vectors
    monkeypatch.setenv("LABELVET_CACHE_DIR", str(tmp_path))
    search._patches.clear()
    assert searches_of(pictured, load_map(pictured, "patches")).images
    with pytest.raises(UnknownRun, match="not on this machine"):
        asking(pictured)
    compute_visualization(pictured.skip(4), "predictions", "part", method="pca", progress=False)
    monkeypatch.setattr(stored_embeddings, "_AT_ONCE", 2)
    assert np.allclose(load_embeddings(pictured, "patches").vectors, whole[12:], atol=1e-3)
    find = asking(pictured)
    assert "12 points have no embedding on this machine any more" in find.note
    assert sorted(find.near_image(png(pixels_of(pictured, 4)), 50).tolist()) == [12, 13, 14]
    run = load_map(pictured, "patches").info.run
    assert not update_visualization(pictured, "patches", progress=False).changes
    monkeypatch.setattr(search, "_LOOK_AGAIN_SECONDS", 1e-3)
    assert asking(pictured).note is None and load_map(pictured, "patches").info.run == run
    search._patches.clear()


@pytest.fixture
def small():
    """Saves a small backbone with weights by chance, as a checkpoint."""
    import torch
    from torchvision.models import get_model

    def save(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(get_model("mobilenet_v3_small", weights=None).state_dict(), path)

    return save


def compute_small(dataset, **options):
    compute_visualization(
        dataset, "predictions", "own", model="mobilenet_v3_small", method="pca", progress=False,
        overwrite=True, **options,
    )  # fmt: skip
    search._backbones.clear()


@pytest.mark.slow
def test_a_checkpoint_of_ones_own_is_found_again_if_it_is_the_same(pictured, small, tmp_path):
    own = tmp_path / "own.pth"
    small(own)
    compute_small(pictured, weights=own)
    (crop,) = cut_crops(pixels_of(pictured, 3), np.array(BOXES[:1]), CropSettings())
    assert asking(pictured, "own").near_image(png(crop), 1).tolist() == [9]
    search._backbones.clear()
    own.rename(tmp_path / "moved.pth")
    with pytest.raises(InvalidParameter, match=r"own\.pth', which is not on this machine"):
        asking(pictured, "own")
    small(own)
    with pytest.raises(InvalidParameter, match="has another content by now"):
        asking(pictured, "own")


@pytest.mark.slow
def test_weights_that_are_gone_or_others_are_said(pictured, small, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    fetched = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"
    small(fetched)
    compute_small(pictured)
    small(fetched)
    with pytest.raises(InvalidParameter, match="other weights of 'mobilenet_v3_small'"):
        asking(pictured, "own")
    fetched.unlink()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        ModelUnavailable, match=r"'mobilenet_v3_small' of 'own' could not be loaded"
    ):
        asking(pictured, "own")
