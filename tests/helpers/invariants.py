"""What has to hold after every change of a dataset, whatever it was."""

from __future__ import annotations

import fiftyone as fo
from labelvet.dataset.documents import collection_named

_OPENED = 200
_NAMES = [
    {"$project": {"k": {"$map": {"input": {"$objectToArray": "$$ROOT"}, "in": "$$this.k"}}}},
    {"$unwind": "$k"},
    {"$group": {"_id": "$k"}},
]


def check_opens(dataset):
    """Every sample and frame has the fields of the schema alone, and FiftyOne opens those of the
    first images."""
    document = collection_named("datasets").find_one({"_id": dataset._doc.id})
    for kind in ("sample", "frame"):
        collection = document.get(f"{kind}_collection_name")
        if not collection:
            continue
        schema = document.get(f"{kind}_fields") or []
        known = {field["db_field"] or field["name"] for field in schema}
        found = {one["_id"] for one in collection_named(collection).aggregate(_NAMES)}
        # what FiftyOne keeps in a document beside the fields begins with an underscore
        names = {name for name in found if not name.startswith("_")}
        assert names <= known, f"fields that are in no schema: {names - known}"
    dataset.reload()
    samples = dataset
    if dataset.media_type == "group":
        samples = dataset.select_group_slices(_force_mixed=True)
    for sample in samples.limit(_OPENED):
        assert sample.to_dict(include_frames=True)


def check_all_open(since):
    """Every dataset of the database opens, and every view of patches or frames, that was written
    to since a moment."""
    wanted = {"name": 1, "sample_collection_name": 1}
    for document in list(collection_named("datasets").find({}, wanted)):
        samples = collection_named(document["sample_collection_name"])
        is_written = samples.find_one({"last_modified_at": {"$gte": since}}, {"_id": 1})
        if is_written and fo.dataset_exists(document["name"]):
            check_opens(fo.load_dataset(document["name"]))
