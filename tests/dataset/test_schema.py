"""Fields that several threads of one process add to a dataset at once, as an App's server does."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import fiftyone as fo
import pytest
from labelvet.core.errors import FieldGone
from labelvet.dataset.schema import declare_labels, ensure_field, ensure_fields


def test_no_field_is_lost_where_several_are_added_and_the_schema_is_reloaded(make_dataset):
    dataset = make_dataset()
    dataset.add_sample(fo.Sample("/one.png"))
    together, ended = threading.Barrier(4), threading.Event()

    def add(person):
        together.wait()
        declare_labels(dataset, "truth")
        for number in range(4):
            ensure_field(dataset, f"truth.detections.{person}_{number}", fo.FloatField)
        ensure_field(dataset, "truth.detections.common", fo.StringField)
        names = [f"{person}_{number}" for number in range(4, 8)] + ["shared"]
        ensure_fields(
            dataset, {f"truth.detections.{name}": {"ftype": fo.FloatField} for name in names}
        )

    def reload():
        together.wait()
        while not ended.is_set():
            dataset.reload()
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        reloading = pool.submit(reload)
        adding = [pool.submit(add, person) for person in ("ada", "bob", "eve")]
        try:
            for one in adding:
                one.result()
        finally:
            ended.set()
            reloading.result()
    dataset.reload()
    added = {f"{person}_{number}" for person, number in product(("ada", "bob", "eve"), range(8))}
    paths = dataset.get_field_schema(flat=True)
    assert {f"truth.detections.{name}" for name in added | {"common", "shared"}} <= set(paths)


def test_an_attribute_of_a_field_that_is_gone_is_not_added(make_dataset):
    dataset = make_dataset()
    with pytest.raises(FieldGone, match="The field 'truth' was renamed or deleted"):
        ensure_field(dataset, "truth.detections.common", fo.StringField)
