"""What is refused, is refused with the sentence that docs/supported-data.md has for it."""

import fiftyone as fo
import numpy as np
import pytest
from labelvet import compute_visualization
from labelvet.core.errors import LabelvetError
from labelvet.core.versions import PLUGIN
from PIL import Image

PAGE = (PLUGIN / "docs" / "supported-data.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| What | The sentence |") :].split("\n\n")[0]
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
    "an empty view": (lambda dataset, image: dataset, None),
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
