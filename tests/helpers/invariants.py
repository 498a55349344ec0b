"""What has to hold after every change of a dataset, whatever it was."""

from __future__ import annotations

from functools import cache, wraps

import fiftyone as fo
import fiftyone.core.odm as foo
from labelvet.dataset.changes import Change
from labelvet.dataset.storage import collection_named

_OPENED = 200
_NAMES = [
    {"$project": {"k": {"$map": {"input": {"$objectToArray": "$$ROOT"}, "in": "$$this.k"}}}},
    {"$unwind": "$k"},
    {"$group": {"_id": "$k"}},
]


def check_schema(dataset):
    """Every sample and frame has the fields of the schema alone, as the database says."""
    for kind in ("sample", "frame"):
        # a field that is added between the two questions is known when they are asked again
        names = unknown_fields(dataset, kind) and unknown_fields(dataset, kind)
        assert not names, f"fields that are in no schema: {names}"


def unknown_fields(dataset, kind):
    document = collection_named("datasets").find_one({"_id": dataset._doc.id})
    collection = (document or {}).get(f"{kind}_collection_name")
    if not collection:
        return set()
    schema = document.get(f"{kind}_fields") or []
    known = {field["db_field"] or field["name"] for field in schema}
    found = {one["_id"] for one in collection_named(collection).aggregate(_NAMES)}
    # what FiftyOne keeps in a document beside the fields begins with an underscore
    return {name for name in found if not name.startswith("_")} - known


def check_opens(dataset):
    """The schema knows all fields of a dataset, and FiftyOne opens its first images."""
    check_schema(dataset)
    dataset.reload()
    samples = dataset
    if dataset.media_type == "group":
        samples = dataset.select_group_slices(_force_mixed=True)
    for sample in samples.limit(_OPENED):
        assert sample.to_dict(include_frames=True)


@cache
def check_after_each_change():
    """From now on, the schema is checked whenever a change of many labels has ended or is undone:
    what a later one would mend is seen, too."""
    for name in ("say", "close", "drop"):
        setattr(Change, name, _checked(getattr(Change, name)))


def _checked(method):
    @wraps(method)
    def ending(change, *args):
        method(change, *args)
        check_schema(change.dataset)

    return ending


_locks: dict[str, int] = {}
"""How often the samples of every dataset had been locked for writing when this was last asked."""


def check_all_open(since):
    """Every dataset of the database opens, and every view of patches or frames, that was written
    to since a moment."""
    wanted = {"name": 1, "sample_collection_name": 1}
    documents = list(collection_named("datasets").find({}, wanted))
    names = [document["sample_collection_name"] for document in documents]
    before, now = _locks.copy(), _count_locks(names)
    _locks.clear()
    _locks.update(now)
    for document, name in zip(documents, names, strict=True):
        # many are left from the tests before, and asking each costs more than opening a few
        if before.get(name) == now[name]:
            continue
        samples = collection_named(name)
        is_written = samples.find_one({"last_modified_at": {"$gte": since}}, {"_id": 1})
        if is_written and fo.dataset_exists(document["name"]):
            dataset = fo.load_dataset(document["name"])
            # what a test holds of it is not loaded anew, one by one, but made of what is stored
            dataset.clear_cache()
            check_opens(dataset)


def _count_locks(names):
    database = foo.get_db_conn()
    totals = database.client.admin.command("top")["totals"]
    used = {name: totals.get(f"{database.name}.{name}") for name in names}
    return {name: one["writeLock"]["count"] if one else 0 for name, one in used.items()}
