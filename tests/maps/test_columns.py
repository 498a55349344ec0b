import fiftyone as fo
import numpy as np
import pytest
from labelvet.core.errors import UnknownField
from labelvet.dataset.documents import samples_of
from labelvet.maps.columns import list_attributes, load_column
from labelvet.maps.map import load_map

ROOT = "predictions.detections"


def read(dataset, path, key="ours"):
    column = load_column(dataset, load_map(dataset, key), path)
    if column.values is not None:
        return column.values.tolist()
    return [(None, *column.categories)[code] for code in column.codes]


def expected(dataset, path):
    results = dataset.load_brain_results("ours")
    values = dataset._get_values_by_id(path, list(results.label_ids), link_field="predictions")
    return values


def test_attributes_of_labels_and_samples_are_listed(judged):
    attributes = {a.path: a for a in list_attributes(judged, load_map(judged, "ours").info)}
    assert list(attributes)[:3] == [f"{ROOT}.{name}" for name in ("label", "confidence", "tags")]
    assert attributes[f"{ROOT}.label"].kind == "categorical"
    assert attributes[f"{ROOT}.confidence"].kind == "continuous"
    assert attributes[f"{ROOT}.tags"].kind == attributes["tags"].kind == "tags"
    assert attributes["checked"].kind == "boolean" and attributes["checked"].scope == "sample"
    assert attributes["weather.label"].kind == "categorical"
    assert not {"id", "filepath", f"{ROOT}.id", "predictions"} & set(attributes)


def test_values_are_those_that_fiftyone_reads(judged):
    assert read(judged, f"{ROOT}.label") == expected(judged, f"{ROOT}.label")
    confidences = np.array(expected(judged, f"{ROOT}.confidence"), dtype=np.float32)
    assert np.array_equal(read(judged, f"{ROOT}.confidence"), confidences, equal_nan=True)
    assert read(judged, "checked") == [str(n < 4) for n in range(8) for _ in range(3)]
    assert read(judged, "weather.label", "theirs") == ["sun", "rain"] * 4


def test_an_attribute_that_labels_lack_shifts_no_other(judged):
    judged.add_sample_field(f"{ROOT}.color", fo.StringField)
    samples_of(judged).update_one(
        {"filepath": {"$regex": "/3.jpg$"}}, {"$set": {f"{ROOT}.1.color": "red"}}
    )
    colors = read(judged, f"{ROOT}.color")
    assert [row for row, color in enumerate(colors) if color] == [3 * 3 + 1]


def test_single_labels_have_columns_too(judged):
    judged.set_values("thing", [fo.Detection(label=f"t{n}", bounding_box=[0, 0, 1, 1])
                                for n in range(7)] + [None])  # fmt: skip
    import labelvet

    labelvet.compute_visualization(
        judged, "thing", "single", embeddings=np.random.default_rng(0).random((7, 4)),
        method="pca", progress=False,
    )  # fmt: skip
    assert read(judged, "thing.label", "single") == [f"t{n}" for n in range(7)]
    assert read(judged, "weather.label", "single") == ["sun", "rain"] * 3 + ["sun"]


def test_whole_numbers_of_few_values_are_categories(judged):
    judged.add_sample_field("n", fo.IntField)
    judged.set_values("n", [1, 2, 3, None] * 2)
    column = load_column(judged, load_map(judged, "theirs"), "n")
    assert column.kind == "categorical" and column.categories == ("1", "2", "3")
    assert column.codes.tolist() == [1, 2, 3, 0] * 2


@pytest.mark.parametrize("how", ["save", "set_values", "tag_labels", "raw", "delete", "set_field"])
def test_a_column_is_never_older_than_the_last_edit(judged, how):
    path = f"{ROOT}.tags" if how == "tag_labels" else f"{ROOT}.label"
    before = read(judged, path)
    assert read(judged, path) == before
    if how == "save":
        sample = judged.first()
        sample.predictions.detections[0].label = "fox"
        sample.save()
    elif how == "set_values":
        judged.set_values(f"{ROOT}.label", [["fox"] * 3] * 8)
    elif how == "tag_labels":
        judged.limit(1).tag_labels("fox")
    elif how == "raw":
        samples_of(judged).update_one({}, {"$set": {f"{ROOT}.0.label": "fox"}})
    elif how == "set_field":
        judged.set_field(f"{ROOT}.label", "fox").save()
    else:
        judged.delete_samples(judged.first())
    after = read(judged, path)
    assert after != before
    assert (after[0] is None) if how == "delete" else (after[0] == "fox")


def test_labels_that_were_deleted_have_no_value(judged):
    judged.delete_labels(ids=judged.load_brain_results("ours").label_ids[4])
    values = read(judged, f"{ROOT}.label")
    assert values[4] is None and values.count(None) == 1


@pytest.mark.parametrize("path", ["", "id", "filepath", "$predictions", "predictions", "a.b.c",
                                  f"{ROOT}.bounding_box", f"{ROOT}.$label"])  # fmt: skip
def test_what_is_no_attribute_is_refused(judged, path):
    with pytest.raises(UnknownField, match="choose a field from the list"):
        load_column(judged, load_map(judged, "ours"), path)


def test_a_deleted_field_says_so(judged):
    shown = load_map(judged, "ours")
    judged.delete_sample_field("predictions")
    with pytest.raises(UnknownField, match=r"no field 'predictions' .* compute the map again"):
        load_column(judged, shown, f"{ROOT}.label")
