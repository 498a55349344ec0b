import threading

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from invariants import check_opens
from label_types import PATCHES, as_field, in_field, label_at
from labelvet.approval import approve as approval
from labelvet.approval import finalize as finalizing
from labelvet.approval import label_updates, rounds
from labelvet.approval.approve import approve, count_twice
from labelvet.approval.basket import add_labels, remove_labels, replace_basket
from labelvet.approval.candidates import Selection, find_candidates, read_candidates
from labelvet.approval.counts import count_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.approval.rounds import loop_changes, progress, rounds_of_field
from labelvet.approval.undo import undo
from labelvet.autolabel.runs import RUN_APPROVED, RUN_GENERATING, AutoLabelRun, get_run, save_run
from labelvet.core.errors import InvalidParameter, UnknownField, UnknownUndo
from labelvet.dataset import tag_updates, tags
from labelvet.dataset.changes import find_change, list_changes
from labelvet.dataset.documents import samples_of
from labelvet.dataset.label_fields import label_field
from labelvet.dataset.schema import declare_attributes
from labelvet.dataset.tags import tag_view
from labelvet.issues.attributes import ATTRIBUTES, OWNER
from PIL import Image

FIELD = "predictions"
TRUTH = "ground_truth"
CONFIDENCE = f"{FIELD}.detections.confidence"


def numbers(dataset, field=FIELD):
    """The labels of a field by their numbers: the confidence times 25."""
    return sorted(
        round(25 * c) for c in dataset.values(f"{field}.detections.confidence", unwind=True)
    )


def state(dataset):
    """All that a change may touch, to compare before and after."""
    dataset.reload()
    return [
        (label["label"], label["confidence"], sorted(label["tags"]), label["bounding_box"])
        for sample in dataset
        for label in sorted(sample[FIELD].detections, key=lambda its: its["confidence"])
    ]


def add(dataset, low=None, high=None, classes=None, *, run=None, view=None):
    return add_labels(
        find_candidates(dataset, FIELD, run), Selection((low, high), classes), view
    )  # fmt: skip


def test_labels_are_added_by_range_class_run_and_view(predicted, labels_with):
    assert add(predicted, 0.2, 0.4).changed == 6 and labels_with("for-approval") == [*range(5, 11)]
    assert add(predicted, 0.8, None, ["dog"]).changed == 2
    assert labels_with("for-approval") == [*range(5, 11), 21, 23]
    view = predicted.filter_labels(FIELD, F("label") == "cat").to_patches(FIELD)
    assert add(predicted, run="first", view=view).changed == 5
    assert labels_with("for-approval") == [4, 5, 6, 7, 8, 9, 10, 12, 14, 20, 21, 22, 23]


def test_flagged_rejected_and_approved_labels_never_get_in(predicted, labels_with):
    for number, tag in enumerate(["needs-review", "approved", "rejected"]):
        view = predicted.filter_labels(FIELD, F("confidence") == number / 25)
        tag_view(view, FIELD, tag)
    add(predicted)
    assert labels_with("for-approval") == [*range(3, 24)]
    with pytest.raises(InvalidParameter, match="No labels in the current view"):
        add(predicted)


def test_one_a_class_and_all_are_taken_out_and_everything_is_undone(predicted, labels_with):
    before = state(predicted)
    added = add(predicted, None, 0.28)
    candidates = find_candidates(predicted, FIELD)
    ids = read_candidates(candidates, Selection((0.0, 0.0)), "basket")[1]
    one = remove_labels(candidates, Selection(ids=ids))
    assert labels_with("for-approval") == [1, 2, 3, 4, 5, 6, 7]
    dogs = remove_labels(candidates, Selection(classes=["dog"]))
    assert labels_with("for-approval") == [2, 4, 6]
    rest = remove_labels(candidates)
    assert labels_with("for-approval") == []
    with pytest.raises(InvalidParameter, match="in the basket"):
        remove_labels(candidates)
    for done in (rest, dogs, one):
        assert f"{done.changed}" in undo(predicted, done.token)
    assert labels_with("for-approval") == [*range(8)]
    undo(predicted, added.token)
    assert state(predicted) == before


@pytest.mark.parametrize("dies_at", [None, 1, 2, 3, 4])
def test_a_basket_that_is_replaced_comes_back_whole(predicted, labels_with, monkeypatch, dies_at):
    """Whenever it ended: while the old labels left, or while the new ones came."""
    add(predicted, 0.2, 0.4)
    before, candidates = state(predicted), find_candidates(predicted, FIELD)
    new = read_candidates(candidates, Selection((0.32, 0.56)), "open")
    old = read_candidates(candidates, Selection((0.32, 0.56)), "basket")
    push, pushed = tag_updates._push_into_list, []

    def die(*args):
        push(*args)
        pushed.append(1)
        if len(pushed) == dies_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tag_updates, "_push_into_list", die)
        patched.setattr(tags, "_BATCH", 2)
        both = [np.concatenate(pair) for pair in zip(new, old, strict=True)]
        if dies_at is None:
            done = replace_basket(candidates, *both)
            assert done.changed == 7 and labels_with("for-approval") == [*range(8, 15)]
        else:
            with pytest.raises(KeyboardInterrupt):
                replace_basket(candidates, *both)
    (change, _) = list_changes(predicted)
    undo(predicted, change.token)
    assert state(predicted) == before


@pytest.mark.parametrize("view", ["no images", "no labels"])
def test_a_view_that_excludes_everything_adds_nothing(predicted, view):
    views = {
        "no images": predicted.match(F("filepath") == "none"),
        "no labels": predicted.filter_labels(FIELD, F("label") == "none", only_matches=False),
    }
    with pytest.raises(InvalidParameter, match="clear the view"):
        add(predicted, view=views[view])


def test_a_class_that_was_renamed_is_not_found_and_its_basket_stays(predicted):
    add(predicted, classes=["dog"])
    renamed = predicted.map_labels(FIELD, {"dog": "wolf"})
    renamed.save(FIELD)
    with pytest.raises(InvalidParameter, match="No labels in the current view"):
        add(predicted, classes=["dog"])
    assert approve(find_candidates(predicted, FIELD), TRUTH).approved == 12
    assert predicted.distinct(f"{TRUTH}.detections.label") == ["wolf"]


def test_the_basket_becomes_ground_truth_that_says_where_it_came_from(predicted, labels_with):
    save_run(predicted, AutoLabelRun("first", FIELD, "yolo11n.pt", None, 0.0, state="in_review"))
    add(predicted, 0.2, 0.4)
    candidates = find_candidates(predicted, FIELD)
    done = approve(candidates, TRUTH, by="ada")
    assert (done.approved, done.known, done.replaced) == (6, 0, 0)
    assert numbers(predicted) == [*range(24)] and numbers(predicted, TRUTH) == [*range(5, 11)]
    assert labels_with("approved") == [*range(5, 11)] and labels_with("for-approval") == []
    predicted.reload()
    of_image = predicted.skip(1).first()
    label, source = of_image[TRUTH].detections[0], of_image[FIELD].detections[1]
    assert (label.label, label.confidence, label.tags) == ("dog", 0.2, [])
    assert label.bounding_box == source.bounding_box
    assert label.id != source.id == label.approved_from
    assert (label.approved_run, label.approved_model) == ("first", "yolo11n.pt")
    assert label.approved_by == "ada" and label.approved_at == source.approved_at
    other = predicted.skip(2).first()[TRUTH].detections[0]
    assert other.approved_run is None and other.approved_model is None
    schema = predicted.get_field_schema(flat=True)
    assert isinstance(schema[f"{TRUTH}.detections.approved_at"], fo.DateTimeField)
    assert f"{TRUTH}.detections.auto_label_run" not in schema
    assert len(set(predicted.values(f"{TRUTH}.detections.id", unwind=True))) == 6


def test_what_was_not_approved_stays_and_is_marked(predicted, labels_with):
    of_run = find_candidates(predicted, FIELD, "first")
    patches = predicted.to_patches(FIELD)
    add(predicted, 0.6, None, run="first")
    first = approve(of_run, TRUTH)
    left = [4, 5, 6, 7, 12, 13, 14]
    assert labels_with("not-approved") == left
    assert patches.count_label_tags(FIELD) == {"approved": 5, "not-approved": len(left)}
    add(predicted, 0.4, None, run="first")
    second = approve(of_run, TRUTH)
    assert labels_with("not-approved") == [4, 5, 6, 7]
    undo(predicted, second.token)
    assert labels_with("not-approved") == left
    undo(predicted, first.token)
    assert patches.count_label_tags(FIELD) == {"for-approval": 8}
    assert labels_with("not-approved") == []


def test_an_approval_is_undone_without_a_trace(predicted):
    added = add(predicted, 0.2, 0.4)
    before = state(predicted)
    done = approve(find_candidates(predicted, FIELD), TRUTH)
    assert "6 labels went back" in undo(predicted, done.token)
    assert state(predicted) == before and not predicted.has_sample_field(TRUTH)
    with pytest.raises(UnknownUndo, match="already undone"):
        undo(predicted, done.token)
    assert approve(find_candidates(predicted, FIELD), TRUTH).approved == 6
    undo(predicted, added.token)  # what is approved is no longer in the basket, and stays approved
    assert numbers(predicted, TRUTH) == [*range(5, 11)]


def test_what_was_edited_in_ground_truth_outlives_the_undo(predicted, labels_with):
    add(predicted)
    done = approve(find_candidates(predicted, FIELD), TRUTH)
    sample = predicted.first()
    relabeled, redrawn, tagged = sample[TRUTH].detections[:3]
    relabeled.label = "bird"
    redrawn.bounding_box = [0.5, 0.5, 0.1, 0.1]
    tagged.tags.append("seen")
    sample.save()
    said = undo(predicted, done.token)
    assert "24 labels went back" in said and "2 labels there are no longer like" in said
    predicted.reload()
    assert [label.id for label in predicted.first()[TRUTH].detections] == [relabeled.id, redrawn.id]
    assert predicted.count(f"{TRUTH}.detections") == 2
    assert labels_with("for-approval") == [*range(24)]


def test_only_labels_of_the_run_are_approved(predicted, labels_with):
    add(predicted)
    assert approve(find_candidates(predicted, FIELD, "first"), TRUTH).approved == 12
    assert len(labels_with("for-approval")) == 12


@pytest.fixture
def with_truth(predicted):
    """Ground truth over labels 1, 8 (shifted by a tenth) and 9 (by a half), each a ``bird``."""
    for number, shift in ((1, 0.0), (8, 0.02), (9, 0.1)):
        sample = predicted.skip(number // 4).first()
        x, *rest = sample[FIELD].detections[number % 4].bounding_box
        truth = (
            sample[TRUTH].detections if predicted.has_sample_field(TRUTH) and sample[TRUTH] else []
        )
        box = [x + shift, *rest]
        sample[TRUTH] = fo.Detections(
            detections=[*truth, fo.Detection(label="bird", bounding_box=box)]
        )
        sample.save()
    return predicted


@pytest.fixture(params=PATCHES)
def of_a_type(make_dataset, request):
    """Two images with as many labels ``found`` of a type as their field takes, each of a class of
    its own, and ``truth`` over the last of the first image, of that class."""
    dataset, field = make_dataset(), request.param
    places = 2 if field.endswith("s") else 1
    samples = []
    for image in range(2):
        found = [
            label_at(field, [0.4 * place, 0.2, 0.3, 0.4], f"c{place}", confidence=0.5)
            if field.removesuffix("s") != "keypoint"
            else label_at(field, [0.4 * place, 0.2, 0.3, 0.4], f"c{place}", confidence=4 * [0.5])
            for place in range(places)
        ]
        there = label_at(field, [0.4 * places - 0.39, 0.2, 0.3, 0.4], f"c{places - 1}")
        truth = as_field(field, [] if image else [there])
        samples.append(fo.Sample(f"/{image}.jpg", found=as_field(field, found), truth=truth))
    dataset.add_samples(samples)
    return dataset, field, places


def stored(dataset, name):
    """What is stored of a field, as far as a change brings it back: without when."""
    documents = samples_of(dataset).find({}, {name: 1}, sort=[("filepath", 1)])
    return [document.get(name) for document in documents]


@pytest.mark.parametrize("rule", ["keep", "replace"])
def test_labels_of_every_type_go_through_the_loop(of_a_type, rule):
    dataset, field, places = of_a_type
    candidates = find_candidates(dataset, "found")
    assert add_labels(candidates, Selection((0.5, 0.5), ["c0"])).changed == 2
    add_labels(candidates, Selection()) if places > 1 else None
    before, truth = stored(dataset, "found"), stored(dataset, "truth")
    with pytest.raises(InvalidParameter, match=f"1 label of {2 * places} in the basket is already"):
        approve(candidates, "truth", "refuse")
    done = approve(candidates, "truth", rule)
    assert (done.approved, done.known, done.replaced) == (
        2 * places, int(rule == "keep"), int(rule == "replace")
    )  # fmt: skip
    assert progress(candidates).approved == progress(candidates).found == 2 * places
    assert count_candidates(candidates).counts.sum(axis=0).tolist() == [2 * places, 0, 0, 0, 0]
    dataset.reload()
    content = label_field(dataset, "found").type.content
    for number, sample in enumerate(dataset):
        sources = in_field(field, sample["found"])
        for copy in in_field(field, sample["truth"]):
            if rule == "keep" and not number and copy.label == f"c{places - 1}":
                assert "approved_from" not in copy and copy.confidence is None
                continue
            (source,) = (one for one in sources if one.id == copy.approved_from)
            assert [copy[name] for name in content] == [source[name] for name in content]
            assert copy.confidence == source.confidence and copy.id != source.id
    assert dataset.count(label_field(dataset, "truth").root) == 2 * places
    undo(dataset, done.token)
    assert stored(dataset, "found") == before and stored(dataset, "truth") == truth


def test_what_is_removed_of_every_type_comes_back_until_finish(of_a_type):
    dataset, field, places = of_a_type
    tag_view(dataset.limit(1), "found", "rejected")
    candidates, before = find_candidates(dataset, "found"), stored(dataset, "found")
    done = finalize(candidates)
    assert done.removed == 2 * places and not progress(candidates).found
    kind = "Classifications" if field == "classification" else field.capitalize()
    kind = kind if kind.endswith("s") else f"{kind}s"
    assert dataset.get_field("found_removed").document_type.__name__ == kind
    undo(dataset, done.token)
    assert stored(dataset, "found") == before and not dataset.has_field("found_removed")
    finalize(candidates)
    if field == "classification":
        assert stored(dataset, "found") == [None, None]
    assert finish(candidates) == f"Finished: {2 * places} removed labels deleted for good."
    check_opens(dataset)


def test_a_field_of_one_label_has_no_room_for_two(make_dataset):
    dataset = make_dataset()
    weather = {"found": fo.Classification(label="rain"), "truth": fo.Classification(label="sun")}
    # the first image keeps its label: that all have lost theirs looks like a field that is leaving
    first = fo.Sample("/0.jpg", truth=weather["truth"].copy())
    dataset.add_samples([first, fo.Sample("/1.jpg", **weather)])
    candidates = find_candidates(dataset, "found")
    add_labels(candidates, Selection())
    approved = approve(candidates, "truth", "replace")
    sample = dataset.last()
    sample["truth"].label = "snow"  # it stays, where undo brings the sun back
    sample.save()
    with pytest.raises(InvalidParameter, match="1 image has another label in 'truth' by now"):
        undo(dataset, approved.token)
    sample["truth"] = None
    sample.save()
    undo(dataset, approved.token)
    assert dataset.last()["truth"].label == "sun"
    removed = finalize(candidates)
    dataset.last().set_field("found", None)
    sample["found"] = fo.Classification(label="fog")
    sample.save()
    with pytest.raises(InvalidParameter, match="another label in 'found' by now"):
        undo(dataset, removed.token)
    assert dataset.last()["found"].label == "fog" and dataset.count("found_removed") == 1


@pytest.mark.parametrize("kind", ["approval", "removal"])
def test_what_takes_the_room_while_it_is_undone_is_not_overwritten(make_dataset, monkeypatch, kind):
    dataset = make_dataset()
    weather = {"found": fo.Classification(label="rain"), "truth": fo.Classification(label="sun")}
    dataset.add_samples([fo.Sample("/0.jpg", truth=weather["truth"].copy()),
                         fo.Sample("/1.jpg", **weather)])  # fmt: skip
    candidates = find_candidates(dataset, "found")
    if kind == "approval":
        add_labels(candidates, Selection())
        done, where, module = approve(candidates, "truth", "replace"), "truth", approval
    else:
        done, where, module = finalize(candidates), "found", finalizing
    update = module.update_labels

    def meanwhile(*args):
        sample = dataset.last()
        sample[where] = fo.Classification(label="fog")
        sample.save()
        update(*args)

    with monkeypatch.context() as patched:
        patched.setattr(module, "update_labels", meanwhile)
        with pytest.raises(InvalidParameter, match=f"1 image has another label in '{where}'"):
            undo(dataset, done.token)
    dataset.reload()
    assert dataset.last()[where].label == "fog"
    assert dataset.count(f"{where}_removed.classifications") == 1
    sample = dataset.last()
    sample[where] = None
    sample.save()
    undo(dataset, done.token)
    dataset.reload()
    assert dataset.last()[where].label == ("sun" if kind == "approval" else "rain")
    assert not dataset.has_sample_field(f"{where}_removed")


def test_ground_truth_is_of_the_type_of_the_labels(of_a_type):
    dataset, _, _ = of_a_type
    dataset.add_sample_field("other", fo.EmbeddedDocumentField, embedded_doc_type=fo.Segmentation)
    add_labels(candidates := find_candidates(dataset, "found"), Selection())
    wanted = type(dataset.first()["found"]).__name__
    with pytest.raises(InvalidParameter, match=f"and ground truth goes into {wanted}: choose"):
        approve(candidates, "other")


def test_masks_are_approved_with_their_labels(make_dataset, tmp_path):
    dataset, mask, path = make_dataset(), np.zeros((3, 4), np.uint8), tmp_path / "mask.png"
    mask[1:] = 1
    Image.fromarray(255 * mask).save(path)
    masks = [{"mask": mask.astype(bool)}, {"mask_path": str(path)}, {"mask": mask.astype(bool)}]
    labels = [
        fo.Detection(label="a", bounding_box=[0.3 * place, 0.1, 0.2, 0.4], **has)
        for place, has in enumerate(masks)
    ]
    dataset.add_sample(fo.Sample("/0.jpg", found=fo.Detections(detections=labels)))
    add_labels(candidates := find_candidates(dataset, "found"), Selection())
    done = approve(candidates, "truth")
    sample = dataset.first()
    inside, on_disk, drawn = sample["truth"].detections
    assert (inside.mask == mask).all() and inside.mask_path is None
    assert on_disk.mask_path == str(path) and on_disk.mask is None
    drawn.mask = ~drawn.mask  # in the same box
    sample.save()
    assert "1 label there is no longer like what was approved" in undo(dataset, done.token)
    (left,) = dataset.first()["truth"].detections
    assert left.id == drawn.id and (left.mask != mask).all()


def birds(dataset):
    return dataset.values(f"{TRUTH}.detections.label", unwind=True).count("bird")


def test_labels_of_ground_truth_are_kept(with_truth, labels_with):
    add(with_truth)
    done = approve(find_candidates(with_truth, FIELD), TRUTH, "keep")
    assert (done.approved, done.known) == (
        24,
        2,
    ) and "2 of them were there already" in done.sentence
    assert birds(with_truth) == 3
    assert len(with_truth.values(f"{TRUTH}.detections.id", unwind=True)) == 25
    undo(with_truth, done.token)
    assert birds(with_truth) == 3 and labels_with("for-approval") == [*range(24)]
    assert len(with_truth.values(f"{TRUTH}.detections.id", unwind=True)) == 3


def test_labels_of_ground_truth_are_replaced_and_come_back(with_truth):
    ids = sorted(with_truth.values(f"{TRUTH}.detections.id", unwind=True))
    add(with_truth)
    done = approve(find_candidates(with_truth, FIELD), TRUTH, "replace")
    assert (done.approved, done.known, done.replaced) == (24, 0, 2)
    assert birds(with_truth) == 1
    assert with_truth.count(f"{TRUTH}_removed.detections") == 2
    undo(with_truth, done.token)
    assert sorted(with_truth.values(f"{TRUTH}.detections.id", unwind=True)) == ids
    assert not with_truth.has_sample_field(f"{TRUTH}_removed")


def test_what_was_replaced_comes_back_where_ground_truth_was_cleared_since(with_truth):
    add(with_truth)
    done = approve(find_candidates(with_truth, FIELD), TRUTH, "replace")
    with_truth.clear_sample_field(TRUTH)
    undo(with_truth, done.token)
    labels = with_truth.values(f"{TRUTH}.detections.label")
    assert labels == [["bird"], None, ["bird"], None, None, None]


def test_duplicates_are_refused(with_truth, labels_with):
    before = state(with_truth)
    with pytest.raises(InvalidParameter, match="basket is empty"):
        approve(find_candidates(with_truth, FIELD), TRUTH, "refuse")
    add(with_truth)
    with pytest.raises(
        InvalidParameter, match="2 labels of 24 in the basket are already in 'ground_truth'"
    ):
        approve(find_candidates(with_truth, FIELD), TRUTH, "refuse")
    assert birds(with_truth) == 3 and labels_with("approved") == [] and len(before) == 24
    with pytest.raises(InvalidParameter, match="1 label of 24 in the basket is"):
        approve(find_candidates(with_truth, FIELD), TRUTH, "refuse", iou=1.0)


@pytest.mark.parametrize("rule", ["keep", "replace", "refuse"])
@pytest.mark.parametrize("type_", ["detections", "polylines", "keypoints", "classifications"])
def test_of_one_object_in_the_basket_the_surest_enters(make_dataset, type_, rule):
    dataset, item = make_dataset(), type_.removesuffix("s")
    # a chain: the first two and the last two overlap, the ends do not
    shifts, sure = (0.0, 0.04, 0.08), (0.5, 0.9, None)
    labels = [
        label_at(item, [0.1 + shift, 0.1, 0.4, 0.4], "cat", confidence=confidence and (
            [confidence] * 4 if item == "keypoint" else confidence))
        for shift, confidence in zip(shifts, sure, strict=True)
    ]  # fmt: skip
    labels.append(label_at(item, [0.1, 0.1, 0.4, 0.4], "dog"))
    dataset.add_sample(fo.Sample("/0.jpg", found=as_field(type_, labels)))
    candidates = find_candidates(dataset, "found")
    add_labels(candidates, Selection())
    before = stored(dataset, "found")
    assert count_twice(candidates) == 2
    done = approve(candidates, "truth", rule)
    assert (done.approved, done.known, done.twice, done.replaced) == (4, 0, 2, 0)
    assert done.sentence == (
        "4 labels approved into 'truth'; 2 of them are of the same object and class as a surer "
        "one, which alone was added."
    )
    dataset.reload()
    entered = in_field(type_, dataset.first()["truth"])
    assert [one.approved_from for one in entered] == [labels[1].id, labels[3].id]
    assert progress(candidates).approved == 4
    undo(dataset, done.token)
    assert stored(dataset, "found") == before and not dataset.has_sample_field("truth")


def test_labels_that_were_flagged_edited_or_deleted_since_they_were_added(predicted, labels_with):
    add(predicted, None, 0.28)
    tag_view(predicted.limit(1), FIELD, "needs-review")
    sample = predicted.skip(1).first()
    sample[FIELD].detections[0].label = "wolf"
    deleted = sample[FIELD].detections.pop(1)
    sample.save()
    done = approve(find_candidates(predicted, FIELD), TRUTH)
    assert done.approved == 3
    assert numbers(predicted, TRUTH) == [4, 6, 7] and deleted.label == "dog"
    assert predicted.count_values(f"{TRUTH}.detections.label") == {"wolf": 1, "cat": 1, "dog": 1}
    assert labels_with("for-approval") == [0, 1, 2, 3]


@pytest.mark.parametrize("new", [True, False])
def test_two_people_approve_at_once(predicted, new):
    add(predicted)
    candidates = find_candidates(predicted, FIELD)
    together, done = threading.Barrier(2), []
    if not new:
        predicted.add_sample_field(TRUTH, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)

    def person(name):
        together.wait()
        try:
            done.append(approve(candidates, TRUTH, by=name))
        except InvalidParameter as error:  # the other one was through already
            assert "basket is empty" in str(error)

    people = [threading.Thread(target=person, args=(name,)) for name in ("ada", "bob")]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert done and numbers(predicted, TRUTH) == [*range(24)]
    assert sum(one.approved for one in done) == 24
    for one in done:
        undo(predicted, one.token)
    assert not predicted.has_sample_field(TRUTH) or numbers(predicted, TRUTH) == []


@pytest.mark.parametrize("dies", ["before its field", "after its field", "in its undo"])
def test_an_approval_that_was_cut_off_leaves_no_field_once_it_is_undone(
    predicted, monkeypatch, dies
):
    before = (add(predicted), state(predicted))[1]
    prepare, delete = approval._prepare, approval.delete_field

    def die(*args):
        if dies == "after its field":
            prepare(*args)
        if dies == "in its undo":
            delete(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(approval, "delete_field" if dies == "in its undo" else "_prepare", die)
        done = approve(find_candidates(predicted, FIELD), TRUTH)
        undo(predicted, done.token)
    (change,) = list_changes(predicted, ("approval",))
    assert "labels went back from 'ground_truth' into the basket." in undo(predicted, change.token)
    assert state(predicted) == before and not predicted.has_sample_field(TRUTH)
    assert not list_changes(predicted, ("approval",))


def test_an_approval_that_is_refused_leaves_no_field(predicted):
    add(predicted)
    predicted.clone_sample_field(FIELD, f"{TRUTH}_removed")
    with pytest.raises(InvalidParameter, match="needed for removed labels"):
        approve(find_candidates(predicted, FIELD), TRUTH, "replace")
    assert not predicted.has_sample_field(TRUTH) and not list_changes(predicted, ("approval",))


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        (TRUTH, "approved_at", "yesterday"),
        (TRUTH, "approved_from", 5),
        (TRUTH, "note", 7),
        (FIELD, "approved_at", "yesterday"),
        (FIELD, "note", 7),
    ],
)
def test_attributes_of_another_type_are_refused(with_truth, field, name, value, declared):
    other = {FIELD: TRUTH, TRUTH: FIELD}[field]
    with_truth.add_sample_field(f"{other}.detections.note", fo.StringField)
    sample = with_truth.first()
    sample[field].detections[0][name] = value
    sample.save()
    if declared:
        with_truth.add_dynamic_sample_fields()
    before = (add(with_truth), state(with_truth))[1]
    paths = set(with_truth.get_field_schema(flat=True))
    with pytest.raises(InvalidParameter, match=f"own of another type named {name}: "):
        approve(find_candidates(with_truth, FIELD), TRUTH, "replace")
    assert state(with_truth) == before and set(with_truth.get_field_schema(flat=True)) == paths
    assert not list_changes(with_truth, ("approval",))


def test_attributes_of_the_right_type_are_taken(with_truth):
    first = with_truth.first()
    first[TRUTH].detections[0]["approved_by"] = "ada"  # not in the schema
    # an approval gives its own, whatever the labels have
    first[FIELD].detections[0]["approved_by"] = 7
    first.save()
    with_truth.add_dynamic_sample_fields(FIELD)
    add(with_truth)
    approve(find_candidates(with_truth, FIELD), TRUTH, "keep", by="eve")
    check_opens(with_truth)
    assert with_truth.count_values(f"{TRUTH}.detections.approved_by")["ada"] == 1


def test_a_second_click_finishes_what_a_crash_left(predicted, monkeypatch):
    before = (add(predicted), state(predicted))[1]
    reload, calls = label_updates.reload_samples, []

    def die(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        reload(*args)

    monkeypatch.setattr(label_updates, "_BATCH", 2)
    monkeypatch.setattr(label_updates, "reload_samples", die)
    with pytest.raises(KeyboardInterrupt):
        approve(find_candidates(predicted, FIELD), TRUTH)
    assert len(numbers(predicted, TRUTH)) == 16
    (first,) = progress(find_candidates(predicted, FIELD)).rounds
    assert first.approved == 16
    second = approve(find_candidates(predicted, FIELD), TRUTH)
    assert second.approved == 8 and numbers(predicted, TRUTH) == [*range(24)]
    undo(predicted, second.token)
    undo(predicted, first.token)
    assert state(predicted) == before


@pytest.mark.parametrize(
    "into", [FIELD, "quality", "frames.x", "_x", "a b", "", None, 1, {"$ne": 1}]
)
def test_fields_that_cannot_hold_ground_truth_are_refused(predicted, into):
    predicted.add_sample_field("quality", fo.FloatField)
    add(predicted)
    with pytest.raises(InvalidParameter):
        approve(find_candidates(predicted, FIELD), into)
    assert predicted.count_label_tags(FIELD) == {"for-approval": 24}


def test_a_field_of_ground_truth_may_have_any_name(predicted):
    add(predicted, low=0.9)
    assert approve(find_candidates(predicted, FIELD), "b").approved == 1


def test_read_only_fields_and_odd_rules_are_refused(predicted):
    add(predicted)
    candidates = find_candidates(predicted, FIELD)
    for options in ({"rule": "x"}, {"iou": 0}, {"iou": 1.5}, {"iou": float("nan")}):
        with pytest.raises(InvalidParameter):
            approve(candidates, TRUTH, **options)
    predicted.add_sample_field(TRUTH, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    field = predicted.get_field(TRUTH)
    field.read_only = True
    field.save()
    with pytest.raises(InvalidParameter, match="read-only"):
        approve(candidates, TRUTH)


def test_a_run_whose_record_is_gone_is_approved_all_the_same(predicted):
    save_run(predicted, AutoLabelRun("first", FIELD, "gone.pt", None, 0.0, state="in_review"))
    predicted.delete_run("first")
    add(predicted, run="first")
    assert approve(find_candidates(predicted, FIELD, "first"), TRUTH).approved == 12
    assert predicted.distinct(f"{TRUTH}.detections.approved_run") == ["first"]
    assert predicted.distinct(f"{TRUTH}.detections.approved_model") == []


def test_what_was_not_approved_is_removed_and_comes_back(predicted):
    add(predicted, 0.2, 0.4)
    candidates = find_candidates(predicted, FIELD)
    approve(candidates, TRUTH)
    tag_view(predicted.limit(1), FIELD, "needs-review")
    before = state(predicted)
    done = finalize(candidates)
    assert done.removed == 18 and numbers(predicted) == [*range(5, 11)]
    with pytest.raises(InvalidParameter, match="every label is approved"):
        finalize(candidates)
    assert "18 labels came back" in undo(predicted, done.token)
    assert state(predicted) == before and not predicted.has_sample_field(f"{FIELD}_removed")


def test_a_removal_that_was_cut_off_is_finished_by_a_second_click(predicted, monkeypatch):
    candidates, before = find_candidates(predicted, FIELD), state(predicted)
    monkeypatch.setattr(label_updates, "_BATCH", 4)
    monkeypatch.setattr(label_updates, "reload_samples", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finalize(candidates)
    monkeypatch.undo()
    assert len(numbers(predicted)) == 8 and predicted.count(f"{FIELD}_removed.detections") == 16
    second = finalize(candidates)
    assert second.removed == 8 and numbers(predicted) == []
    for change in loop_changes(candidates):
        undo(predicted, change.token)
    assert state(predicted) == before and second.token


def test_finish_makes_it_final(predicted):
    add(predicted, 0.2, 0.4)
    of_all, of_run = find_candidates(predicted, FIELD), find_candidates(predicted, FIELD, "first")
    approved = approve(of_all, TRUTH)
    done = finalize(of_run)
    assert done.removed == 9 and len(numbers(predicted)) == 15
    assert "0 removed labels" in finish(of_all)
    assert predicted.count(f"{FIELD}_removed.detections") == 9
    assert "9 removed labels" in finish(of_run)
    assert not predicted.has_sample_field(f"{FIELD}_removed")
    for token in (approved.token, done.token):
        with pytest.raises(UnknownUndo):
            undo(predicted, token)
    assert numbers(predicted, TRUTH) == [*range(5, 11)]


def test_finish_keeps_what_somebody_removes_meanwhile(predicted, monkeypatch):
    candidates, before = find_candidates(predicted, FIELD), state(predicted)
    read, removals = finalizing.past_changes, []

    def meanwhile(*args):
        changes = read(*args)
        if not removals:
            removals.append(finalize(candidates))
        return changes

    monkeypatch.setattr(finalizing, "past_changes", meanwhile)
    assert "0 removed labels" in finish(candidates)
    assert numbers(predicted) == [] and removals[0].removed == 24
    undo(predicted, removals[0].token)
    assert state(predicted) == before


def test_what_is_being_undone_is_not_finished(predicted):
    candidates = find_candidates(predicted, FIELD)
    done = finalize(candidates)
    undone, refused = find_change(predicted, done.token), "being undone: wait a moment"
    with undone.claimed(), pytest.raises(UnknownUndo, match=refused):
        finish(candidates)
    assert predicted.count(f"{FIELD}_removed.detections") == 24
    assert "24 removed labels" in finish(candidates)


def test_a_run_that_began_meanwhile_is_not_said_to_be_in_review(predicted, monkeypatch):
    candidates = find_candidates(predicted, FIELD, "first")
    save_run(predicted, AutoLabelRun("first", FIELD, "m.pt", None, 0.2, RUN_APPROVED))
    counts = rounds.progress

    def meanwhile(*args):
        save_run(predicted, AutoLabelRun("first", FIELD, "m.pt", None, 0.2))
        return counts(*args)

    monkeypatch.setattr(rounds, "progress", meanwhile)
    rounds.settle_run(candidates)
    assert get_run(predicted, "first").state == RUN_GENERATING


def test_a_field_of_the_users_own_is_not_taken_for_removed_labels(predicted):
    predicted.clone_sample_field(FIELD, f"{FIELD}_removed")
    with pytest.raises(InvalidParameter, match="rename"):
        finalize(find_candidates(predicted, FIELD))
    assert len(numbers(predicted)) == 24


def test_what_labels_say_of_their_own_removal_is_not_lost(predicted):
    first = predicted.first()
    first[FIELD].detections[0]["removed_at"] = "in May"
    first.save()
    add(predicted, low=0.5)
    approve(find_candidates(predicted, FIELD), TRUTH)
    with pytest.raises(InvalidParameter, match="own named removed_at"):
        finalize(find_candidates(predicted, FIELD))
    assert len(numbers(predicted)) == 24


def test_the_loop_counts_its_rounds_and_settles_the_run(predicted):
    save_run(predicted, AutoLabelRun("first", FIELD, "a.pt", None, 0.0, state="in_review"))
    candidates = find_candidates(predicted, FIELD, "first")
    add(predicted, 0.6, None, run="first")
    approve(candidates, TRUTH, by="ada")
    flagged = predicted.filter_labels(FIELD, F("confidence") <= 0.2)
    tag_view(flagged, FIELD, "needs-review")
    add(predicted, 0.4, None, run="first")
    approve(candidates, TRUTH)
    loop = progress(candidates)
    assert (loop.found, loop.approved, loop.flagged, loop.left) == (12, 8, 2, 2)
    first = loop.rounds[0]
    assert (first.approved, first.turned_down, first.by) == (5, 0, "ada")
    assert loop.rounds[1].rate == pytest.approx(3 / 5)
    assert rounds_of_field(find_candidates(predicted, FIELD)) == [*loop.rounds]
    assert get_run(predicted, "first").state == "in_review"
    done = finalize(candidates)
    assert get_run(predicted, "first").state == "approved"
    undo(predicted, done.token)
    assert get_run(predicted, "first").state == "in_review"
    assert progress(find_candidates(predicted, FIELD, "none")).found == 0


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", [False, True])
def test_open_patches_views_follow(predicted, evaluation):
    if evaluation:
        predicted.clone_sample_field(FIELD, "boxes")
        predicted.evaluate_detections(FIELD, "boxes", eval_key="eval")
        patches, path = predicted.to_evaluation_patches("eval"), f"{FIELD}.detections.tags"
    else:
        patches, path = predicted.to_patches(FIELD), f"{FIELD}.tags"
    candidates = find_candidates(predicted, FIELD)
    add(predicted, 0.2, 0.4)
    assert patches.count_values(path) == {"for-approval": 6}
    done = approve(candidates, TRUTH)
    assert patches.count_values(path) == {"approved": 6, "not-approved": 18}
    undo(predicted, done.token)
    assert patches.count_values(path) == {"for-approval": 6}
    approve(candidates, TRUTH)
    finalize(candidates)
    assert patches.count(path.removesuffix(".tags")) == 6


def test_what_is_in_memory_is_kept_true(predicted):
    sample = predicted.first()
    add(predicted)
    approve(find_candidates(predicted, FIELD), TRUTH)
    assert sample[FIELD].detections[0].tags == ["approved"]
    assert len(sample[TRUTH].detections) == 4


def test_masks_and_attributes_of_the_labels_come_along(predicted):
    sample = predicted.first()
    sample[FIELD].detections[0]["area"] = 7.5
    sample[FIELD].detections[0].mask = np.eye(4, dtype=bool)
    sample.save()
    predicted.add_sample_field(f"{FIELD}.detections.area", fo.FloatField)
    add(predicted)
    approve(find_candidates(predicted, FIELD), TRUTH)
    predicted.reload()
    label = predicted.first()[TRUTH].detections[0]
    assert label.area == 7.5 and np.array_equal(label.mask, np.eye(4, dtype=bool))
    assert predicted.has_sample_field(f"{TRUTH}.detections.area")


@pytest.mark.parametrize("token", [None, 1, "x", "0" * 24])
def test_what_is_no_token_undoes_nothing(predicted, token):
    with pytest.raises(UnknownUndo):
        undo(predicted, token)
    assert approval.RULES and issubclass(UnknownField, ValueError)


def test_an_image_without_ground_truth_gets_none_unless_a_label_arrives(predicted):
    predicted.add_sample_field("truth", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    candidates = find_candidates(predicted, "predictions")
    add_labels(candidates, Selection((0.9, None)))
    token = approve(candidates, "truth", "replace").token
    there = [truth and len(truth.detections) for truth in predicted.values("truth")]
    assert there == [None] * 5 + [1]
    undo(predicted, token)
    documents = [document["truth"] for document in samples_of(predicted).find()]
    assert documents == [None] * 5 + [{"_cls": "Detections", "detections": []}]


def test_labels_that_come_back_are_at_the_end_of_their_list(predicted):
    add(predicted, 0.2, 0.4)
    candidates = find_candidates(predicted, FIELD)
    approve(candidates, TRUTH)
    undo(predicted, finalize(candidates).token)
    predicted.reload()
    (confidences,) = predicted.skip(1).limit(1).values(f"{FIELD}.detections.confidence")
    assert [round(25 * one) for one in confidences] == [5, 6, 7, 4]


def test_a_copy_whose_label_was_changed_outlives_the_undo(predicted, labels_with):
    add(predicted)
    done = approve(find_candidates(predicted, FIELD), TRUTH)
    sample = predicted.first()
    changed = sample[FIELD].detections[0]
    changed.label = "bird"
    sample.save()
    assert "1 label there is no longer like" in undo(predicted, done.token)
    assert predicted.values(f"{TRUTH}.detections.approved_from", unwind=True) == [changed.id]
    assert labels_with("for-approval") == [*range(24)]


def test_issue_scores_stay_behind_but_not_what_is_a_persons_own(predicted):
    root = f"{FIELD}.detections"
    declare_attributes(predicted, root, {"suspicion": ATTRIBUTES["suspicion"]}, OWNER)
    predicted.add_sample_field(f"{root}.geometry", fo.StringField)  # a person's own
    predicted.set_values(f"{root}.geometry", [["round"] * 4] * 6)
    predicted.set_values(f"{root}.suspicion", [[0.5] * 4] * 6)
    add(predicted)
    approve(find_candidates(predicted, FIELD), TRUTH)
    predicted.reload()
    assert predicted.count_values(f"{root}.suspicion") == {0.5: 24}
    assert predicted.get_field(f"{TRUTH}.detections.suspicion") is None
    copies = samples_of(predicted).find_one()[TRUTH]["detections"]
    assert copies and not any("suspicion" in label for label in copies)
    assert predicted.count_values(f"{TRUTH}.detections.geometry") == {"round": len(copies) * 6}
