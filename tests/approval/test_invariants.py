"""Random sequences of what people do: a label is approved if and only if ground truth has it."""

import uuid

import fiftyone as fo
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from invariants import check_opens
from label_types import as_field, in_field, label_at
from labelvet.approval.approve import IOU, approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.core.errors import LabelvetError
from labelvet.dataset.changes import list_changes
from labelvet.dataset.documents import parse_ids, samples_of
from labelvet.dataset.states import APPROVED_TAG
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo

FIELDS, TRUTH = ("one", "two"), "truth"
SAMPLES, PLACES = 2, 3
TYPES = ("detections", "polylines", "keypoints", "classifications", "classification")

fields, places = st.sampled_from(FIELDS), st.integers(0, SAMPLES * PLACES - 1)
rules = st.sampled_from(["keep", "replace", "refuse"])


def box(place, shift=0.0):
    return [0.3 * place + shift, 0.1, 0.2, 0.4]


def covers(one, other):
    """Whether two labels of the two fields, or of ground truth, are of one object."""
    if one["_cls"] == "Classification":
        return one["label"] == other["label"]
    (x, y, w, h), (u, v, a, b) = box_of(one), box_of(other)
    wide = max(0, min(x + w, u + a) - max(x, u))
    high = max(0, min(y + h, v + b) - max(y, v))
    return wide * high >= IOU * (w * h + a * b - wide * high)


def box_of(label):
    if label["_cls"] == "Detection":
        return label["bounding_box"]
    corners = label["points"][0] if label["_cls"] == "Polyline" else label["points"]
    (x, y), (u, v) = corners[0], corners[2]
    return x, y, u - x, v - y


class Loop(RuleBasedStateMachine):
    """Two fields over the same objects, whose labels become one ground truth."""

    type = None

    def __init__(self):
        super().__init__()
        self.dataset = fo.Dataset(f"test-{uuid.uuid4().hex[:12]}")
        self.dataset.add_samples(
            [
                fo.Sample(
                    f"/{image}.jpg",
                    **{
                        field: as_field(
                            self.type,
                            [
                                label_at(self.type, box(place, shift), f"c{place}", place=place)
                                for place in range(PLACES)
                            ],
                        )
                        for field, shift in zip(FIELDS, (0.0, 0.01), strict=True)
                    },
                )
                for image in range(SAMPLES)
            ]
        )
        # what somebody changed by hand in ground truth or before it is theirs
        self.touched = set()

    def teardown(self):
        self.dataset.delete()

    def attempt(self, what, *args):
        """Does something that may be refused, which then has changed nothing."""
        before = self.documents()
        try:
            what(*args)
        except LabelvetError as error:
            assert str(error).endswith(".") and self.documents() == before

    def documents(self):
        return [
            {name: d.get(name) for name in (*FIELDS, TRUTH)}
            for d in samples_of(self.dataset).find()
        ]

    def labels(self, name):
        self.dataset.reload()
        if not self.dataset.has_sample_field(name):
            return []
        return [label for sample in self.dataset for label in in_field(self.type, sample[name])]

    @rule(field=fields, place=st.integers(0, PLACES - 1))
    def add(self, field, place):
        some = [label.id for label in self.labels(field) if label.place == place]
        candidates = find_candidates(self.dataset, field)
        if some:
            self.attempt(add_labels, candidates, Selection(ids=parse_ids(some)))

    @rule(field=fields)
    def add_all(self, field):
        self.attempt(add_labels, find_candidates(self.dataset, field), Selection())

    @rule(field=fields)
    def flag(self, field):
        self.attempt(tag_view, self.dataset.limit(1), field, "needs-review")

    @rule(field=fields, how=rules)
    def approve(self, field, how):
        self.attempt(approve, find_candidates(self.dataset, field), TRUTH, how)

    @rule(field=fields)
    def finalize(self, field):
        self.attempt(finalize, find_candidates(self.dataset, field))

    @precondition(lambda self: len(list_changes(self.dataset)) > 4)
    @rule(field=fields)
    def finish(self, field):
        self.attempt(finish, find_candidates(self.dataset, field))

    @precondition(lambda self: list_changes(self.dataset))
    @rule(data=st.data())
    def undo(self, data):
        changes = list_changes(self.dataset)
        change = changes[data.draw(st.integers(0, len(changes) - 1))]
        self.attempt(undo, self.dataset, change.token)

    @rule(place=places, edit=st.booleans(), field=st.sampled_from((*FIELDS, TRUTH)))
    def by_hand(self, place, edit, field):
        labels = self.labels(field)
        if place >= len(labels):
            return
        label = labels[place]
        self.touched |= {label.id, getattr(label, "approved_from", None)}
        if field == TRUTH:  # what was approved because it covers them
            self.touched |= self.covered(label.id)
        if edit:
            sample = self.dataset.match_labels(ids=[label.id], fields=field).first()
            (its,) = (one for one in in_field(self.type, sample[field]) if one.id == label.id)
            its.label = f"{its.label}x"
            sample.save()
        else:
            self.dataset.delete_labels(ids=[label.id], fields=field)

    def covered(self, in_truth):
        """The labels of both fields that a label of ground truth covers."""
        for document in self.documents():
            for one in in_field(self.type, document[TRUTH]):
                if str(one["_id"]) == in_truth:
                    others = (
                        label for name in FIELDS for label in in_field(self.type, document[name])
                    )
                    return {str(label["_id"]) for label in others if self.knows(label, one)}
        return set()

    def knows(self, label, one):
        return self.type == "classification" or covers(label, one)

    @invariant()
    def every_sample_opens(self):
        check_opens(self.dataset)

    @invariant()
    def approved_if_and_only_if_it_is_there(self):
        for document in self.documents():
            truth = in_field(self.type, document[TRUTH])
            own = {label.get("approved_from") for label in truth}
            approved = set()
            for field in FIELDS:
                for label in in_field(self.type, document[field]):
                    if APPROVED_TAG not in label["tags"]:
                        assert "approved_at" not in label
                        continue
                    approved.add(str(label["_id"]))
                    there = str(label["_id"]) in own or any(self.knows(label, one) for one in truth)
                    by_hand = str(label["_id"]) in self.touched
                    assert there or by_hand, f"{label} is not in ground truth"
            for label in truth:
                original = label.get("approved_from")
                assert original in approved or original in self.touched, f"{label} has no original"


@pytest.mark.slow
@pytest.mark.parametrize("type_", TYPES)
def test_a_label_is_approved_if_and_only_if_ground_truth_has_it(type_):
    loop = type(f"Loop of {type_}", (Loop,), {"type": type_})
    run_state_machine_as_test(
        loop,
        settings=settings(
            max_examples=20 if type_ == "detections" else 8,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
