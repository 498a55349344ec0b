"""What is refused, is refused with the sentence that docs/supported-data.md has for it."""

import struct
import zlib

import fiftyone as fo
import numpy as np
import pytest
from labelvet import auto_label, compute_visualization
from labelvet.autolabel.detectors import load_detector
from labelvet.core.errors import LabelvetError
from labelvet.core.versions import PLUGIN
from labelvet.dataset.label_views import save_tagged_view
from labelvet.dataset.tags import tag_view
from labelvet.issues.find import find_label_issues
from labelvet.maps.map import load_map
from labelvet.maps.thumbnails import ThumbnailSettings, make_thumbnails
from PIL import Image

PAGE = (PLUGIN / "docs" / "supported-data.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| What | The sentence |") :].split("\n\n")[0]
# as one line, as a sentence goes on in the next
WORDS = " ".join(PAGE.split())
SENTENCES = dict(
    tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in TABLE.splitlines()[2:]
)


@pytest.fixture
def image(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    return str(tmp_path / "one.png")


def boxes():
    return fo.Detections(detections=[fo.Detection(label="cat", bounding_box=[0.1, 0.1, 0.5, 0.5])])


def of_images(dataset, image, **fields):
    dataset.add_sample(fo.Sample(image, boxes=boxes(), **fields))
    return dataset


def video(dataset, *_):
    sample = fo.Sample("/one.mp4", boxes=boxes())
    sample.frames[1] = fo.Frame(boxes=boxes())
    dataset.add_sample(sample)
    return dataset


def frames_without_images(dataset, *_):
    return video(dataset).to_frames(sample_frames="dynamic", sparse=True)


def slices(dataset, image):
    dataset.add_group_field("group", default="cloud")
    group = fo.Group()
    dataset.add_samples(
        [
            fo.Sample("/one.pcd", group=group.element("cloud"), boxes=boxes()),
            fo.Sample(image, group=group.element("left"), boxes=boxes()),
            fo.Sample(image, group=group.element("right"), boxes=boxes()),
        ]
    )
    return dataset


def scene(dataset, *_):
    dataset.add_sample(fo.Sample("/one.fo3d", boxes=boxes()))
    return dataset


def same_id(dataset, image):
    detections = boxes()
    dataset.add_samples([fo.Sample(image, boxes=detections), fo.Sample(image, boxes=detections)])
    return dataset


def in_3d(dataset, image):
    cuboid = fo.Detection(label="car", location=[1, 2, 3], dimensions=[1, 1, 1], rotation=[0, 0, 0])
    dataset.add_sample(fo.Sample(image, boxes=fo.Detections(detections=[cuboid])), dynamic=True)
    return dataset


def lines(dataset, image):
    none = fo.Polyline(label="lane", points=[])
    return of_images(dataset, image, lines=fo.Polylines(polylines=[none]))


# what → its collection, and the field that is asked for
CASES = {
    "videos, clips, a slice of them": (video, "boxes"),
    "frames without images": (frames_without_images, "boxes"),
    "3D scenes": (scene, "boxes"),
    "a slice of point clouds": (slices, "boxes"),
    "an empty dataset": (lambda dataset, image: dataset, None),
    "a view without images": (lambda *given: of_images(*given).limit(1).skip(1), None),
    "a view without labels": (
        lambda dataset, image: of_images(dataset, image).filter_labels(
            "boxes", {"$eq": ["$$this.label", "none"]}, only_matches=False
        ),
        "boxes",
    ),
    "boxes in 3D": (in_3d, "boxes"),
    "lines without points": (lines, "lines"),
    "labels with the same id": (same_id, "boxes"),
    "Segmentation": (
        lambda *given: of_images(*given, masks=fo.Segmentation(mask=np.zeros((4, 4), "u1"))),
        "masks",
    ),
    "Heatmap": (
        lambda *given: of_images(*given, heat=fo.Heatmap(map=np.zeros((4, 4), "f4"))),
        "heat",
    ),
    "TemporalDetections": (
        lambda *given: of_images(
            *given,
            events=fo.TemporalDetections(
                detections=[fo.TemporalDetection(label="a", support=[1, 2])]
            ),
        ),
        "events",
    ),
    "Regression": (lambda *given: of_images(*given, number=fo.Regression(value=1.0)), "number"),
    "GeoLocation": (
        lambda *given: of_images(*given, place=fo.GeoLocation(point=[1.0, 2.0])),
        "place",
    ),
    "a field that is not there": (of_images, "none"),
}


def test_every_row_has_its_case():
    assert set(CASES) == set(SENTENCES)


@pytest.mark.parametrize("what", CASES)
def test_it_is_said_as_on_the_page(make_dataset, image, what):
    make, field = CASES[what]
    samples = make(make_dataset(), image)
    with pytest.raises(LabelvetError) as refused:
        compute_visualization(samples, field, "map", method="pca", progress=False)
    assert str(refused.value) == SENTENCES[what]
    assert not samples._root_dataset.list_brain_runs()


@pytest.mark.parametrize("what", list(CASES)[:5])
def test_auto_label_says_it_of_objects(make_dataset, image, what):
    make, _ = CASES[what]
    samples = make(make_dataset(), image)
    with pytest.raises(LabelvetError) as refused:
        auto_label(samples, "none.pt", "found", "run", progress=False)
    of_objects = "Objects can only be found in images"
    expected = SENTENCES[what].replace("Patches can only be cropped from images", of_objects)
    assert str(refused.value) == expected and of_objects in WORDS
    assert (of_objects in expected) == (what != "an empty dataset")
    assert not samples._root_dataset.list_runs()


def test_auto_label_of_a_view_without_images(make_dataset, image):
    class Nothing(fo.Model):
        media_type = "image"

    samples = of_images(make_dataset(), image).limit(1).skip(1)
    with pytest.raises(LabelvetError) as refused:
        auto_label(samples, Nothing(), "found", "run", progress=False)
    assert str(refused.value) == SENTENCES["a view without images"]
    dataset = samples._root_dataset
    assert not dataset.list_runs() and not dataset.has_sample_field("found")


def check_sentence(refusing, *args, **kwargs):
    """What is refused is said on the page, in quotes or slanted."""
    with pytest.raises(LabelvetError) as refused:
        refusing(*args, **kwargs)
    said = str(refused.value)
    assert f'"{said}"' in WORDS or f"*{said}*" in WORDS


def test_label_issues_of_whole_images(make_dataset, image):
    dataset = of_images(make_dataset(), image)
    how = {"method": "pca", "progress": False}
    compute_visualization(dataset, None, "map", embeddings=np.eye(1), **how)
    check_sentence(find_label_issues, dataset, "map")
    two = [fo.Classification(label=name, vector=[1.0, 0.0]) for name in ("sun", "beach")]
    dataset.set_values("weather", [fo.Classifications(classifications=two)], dynamic=True)
    compute_visualization(dataset, "weather", "several", embeddings="vector", **how)
    dataset.clone_sample_field("weather", "other")
    check_sentence(find_label_issues, dataset, "several", second_fields="other")


def test_what_frames_have_not(make_dataset, image):
    sample = fo.Sample("/one.mp4", detections=boxes())
    sample.frames[1] = fo.Frame(filepath=image, detections=boxes())
    dataset = make_dataset()
    dataset.add_sample(sample)
    frames = dataset.to_frames()
    check_sentence(auto_label, frames, "none.pt", "detections", "run", progress=False)
    how = {"similarity_key": "KEY", "progress": False}
    check_sentence(compute_visualization, frames, "detections", "map", **how)
    check_sentence(tag_view, frames, None, "seen")


def test_an_address_is_no_model():
    check_sentence(load_detector, "https://...")


def test_an_image_that_is_too_large_is_said_in_the_place_of_its_crop(judged, tmp_path):
    def chunk(name, data):
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", 30_000, 20_000, 8, 2, 0, 0, 0)
    (tmp_path / "mosaic.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    sample = judged.first()
    sample.filepath = str(tmp_path / "mosaic.png")
    sample.save()
    (crop,) = make_thumbnails(judged, load_map(judged, "ours"), [0], ThumbnailSettings(64, 0))
    assert f"*{crop.problem}*" in WORDS


def test_a_tag_without_latin_letters_has_a_view(judged):
    tag_view(judged, "predictions", "要確認")
    saved = save_tagged_view(judged, "要確認", "predictions")
    assert f"`{saved.name}`" in WORDS
    assert tag_view(judged, "predictions", "要" * 100).changed == 24
