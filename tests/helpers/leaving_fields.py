"""Fields that FiftyOne renames or deletes: documents have lost them already, the schema not yet."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread

import fiftyone as fo
from fiftyone.core.odm.mixins import DatasetMixin
from pytest import MonkeyPatch


@contextmanager
def leaving(dataset, name, how):
    """A field is "renamed" or "deleted": in the documents when the block begins, in the schema when
    it ends."""
    simple = "_rename_fields_simple" if how == "renamed" else "_delete_fields_simple"
    change_documents = getattr(DatasetMixin, simple).__func__
    changed, goes_on = Event(), Event()

    def wait(cls, *args):
        change_documents(cls, *args)
        changed.set()
        assert goes_on.wait(60)

    def go():
        other = fo.load_dataset(dataset.name)
        if how == "renamed":
            other.rename_sample_field(name, f"{name}_before")
        else:
            other.delete_sample_field(name)

    with MonkeyPatch.context() as patched:
        patched.setattr(DatasetMixin, simple, classmethod(wait))
        thread = Thread(target=go)
        thread.start()
        assert changed.wait(60)
    try:
        yield
    finally:
        goes_on.set()
        thread.join(60)
