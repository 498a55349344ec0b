"""A label of every type, of a class, and datasets of them."""

from __future__ import annotations

import fiftyone as fo
import labelvet
import numpy as np
from alike import add_alike
from PIL import Image

NAN = float("nan")


def labels_of(name):
    """Fields of every type that is a patch, each with one label of a class."""
    lines = [[(0.1, 0.2), (0.5, 0.4)], [(0.3, 0.9)]]
    box, polyline = [0.25, 0.25, 0.5, 0.5], fo.Polyline(label=name, points=lines)
    points = [(0.2, 0.1), (NAN, NAN), (0.6, 0.5)]
    return {
        "detection": fo.Detection(label=name, bounding_box=box),
        "detections": fo.Detections(detections=[fo.Detection(label=name, bounding_box=box)]),
        "polyline": polyline.copy(),
        "polylines": fo.Polylines(polylines=[polyline]),
        "keypoint": fo.Keypoint(label=name, points=points, confidence=[0.5, NAN, 0.9]),
        "keypoints": fo.Keypoints(keypoints=[fo.Keypoint(label=name, points=points)]),
        "classification": fo.Classification(label=name, confidence=0.75),
        "classifications": fo.Classifications(classifications=[fo.Classification(label=name)]),
    }


PATCHES = tuple(labels_of("cat"))


def label_at(field, box, name="a", **attributes):
    """A label of a field of a type, around a box; one of a whole image has the name alone."""
    x, y, w, h = box
    corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    kinds = {
        "detection": (fo.Detection, {"bounding_box": box}),
        "polyline": (fo.Polyline, {"points": [corners], "closed": True}),
        "keypoint": (fo.Keypoint, {"points": corners}),
        "classification": (fo.Classification, {}),
    }
    kind, geometry = kinds[field.removesuffix("s")]
    return kind(label=name, **geometry, **attributes)


def as_field(field, labels):
    """The labels as a field of a type holds them; one that holds one takes the first."""
    if not field.endswith("s"):
        return labels[0] if labels else None
    return getattr(fo, field.capitalize())(**{field: labels})


def in_field(field, held):
    """The labels that a field of a type holds, a label of FiftyOne or what is stored of it."""
    if held is None:
        return []
    return held[field] if field.endswith("s") else [held]


def others():
    """Fields of every type that is no patch."""
    cuboid = fo.Detection(label="car", location=[1, 2, 3], dimensions=[1, 1, 1], rotation=[0, 0, 0])
    return {
        "segmentation": fo.Segmentation(mask=np.zeros((4, 4), np.uint8)),
        "heatmap": fo.Heatmap(map=np.zeros((4, 4))),
        "events": fo.TemporalDetections(
            detections=[fo.TemporalDetection(label="goal", support=[1, 2])]
        ),
        "score": fo.Regression(value=0.5),
        "place": fo.GeoLocation(point=[0.0, 0.0]),
        "cuboids": fo.Detections(detections=[cuboid]),
        "lanes": fo.Polylines(polylines=[fo.Polyline(points3d=[[(1, 2, 3), (4, 5, 6)]])]),
    }


def one_class_each(dataset, folder, field, *, n=48, flipped=4, seed=0):
    """Fills a dataset with images that have one label each, in one of three clusters, and maps
    them as ``map``; the first labels have the class of another cluster. Returns these."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    vectors = (3 * np.eye(3, 16)[truth] + 0.3 * rng.normal(size=(n, 16))).astype("f4")
    codes = np.where(np.arange(n) < flipped, (truth + 1) % 3, truth)

    def sample(number, code):
        path = folder / f"{number}.png"
        Image.new("RGB", (40, 30), (20 * code, 5 * number, 90)).save(path)
        given = labels_of(f"c{code}")[field]
        label = given[given._LABEL_LIST_FIELD][0] if field.endswith("s") else given
        label["vector"] = vectors[number]
        return fo.Sample(str(path), **{field: given})

    add_alike(dataset, (sample(*one) for one in enumerate(codes.tolist())))
    labelvet.compute_visualization(
        dataset, field, "map", embeddings="vector", method="pca", progress=False
    )
    root, listed = dataset._get_label_field_root(field)
    return dataset.values(f"{root}.id", unwind=listed)[:flipped]
