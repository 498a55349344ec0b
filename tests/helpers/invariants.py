"""What has to hold after every change of a dataset, whatever it was."""

from __future__ import annotations

import fiftyone as fo
from labelvet.dataset.documents import collection_named, samples_of

# what FiftyOne keeps in a document beside the fields
_PRIVATE = {"_id", "_media_type", "_rand", "_dataset_id", "_sample_id", "_doc_id", "_slug"}


def check_opens(dataset):
    """Every sample has the fields of the schema alone, and FiftyOne opens it."""
    schema = collection_named("datasets").find_one({"_id": dataset._doc.id})["sample_fields"]
    known = {field["db_field"] or field["name"] for field in schema} | _PRIVATE
    for document in samples_of(dataset).find():
        assert set(document) <= known, f"fields that are in no schema: {set(document) - known}"
    dataset.reload()
    for sample in dataset:
        assert isinstance(sample, fo.Sample) and sample.to_dict()
