"""To a real Label Studio and back."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from labelvet.cli import main
from labelvet.core.errors import ToolUnavailable
from labelvet.dataset.changes import list_changes
from labelvet.handover.bringing import bring_back
from labelvet.handover.records import read_handover, read_labels
from labelvet.handover.sending import send_for_correction
from labelvet.issues.attributes import ATTRIBUTES, OWNER
from labelvet.panels.undoing import undo
from PIL import Image

FIELD = "predictions"
pytestmark = [
    # those of label-studio-sdk 1
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    # FiftyOne leaves the files open that it sends
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]


class Tasks:
    """The tasks of an annotation run, as an annotator has them."""

    def __init__(self, dataset, run):
        results = dataset.load_annotation_results(run, cache=False)
        self.client, self.project = results.connect_to_api()._client, results.project_id
        self.of_sample = {sample: task for task, sample in results.uploaded_tasks.items()}

    def regions(self, sample):
        """The boxes that the annotator begins with, by id."""
        (task,) = self.client.get_project(self.project).get_tasks(
            selected_ids=[self.of_sample[sample.id]]
        )
        return {region["id"]: region for region in task["predictions"][-1]["result"]}

    def submit(self, sample, regions, skip=False):
        """Submits boxes, or skips the image, as the buttons do."""
        result = {"result": list(regions.values()), "was_cancelled": skip}
        path = f"/api/tasks/{self.of_sample[sample.id]}/annotations"
        self.client.make_request("POST", path, json=result)


def labels_of(dataset):
    """What every label of the field is, without the moments of its document."""
    dataset.reload()
    samples = list(dataset)
    for sample in samples:
        sample.reload()
    return [[label.to_dict() for label in sample[FIELD].detections] for sample in samples]


def test_there_and_back(boxes, label_studio, capsys):
    _, user, _ = label_studio
    suggested, corrected, moved, waiting = boxes
    for name in ("issue", "suggested_label", "suggested_box"):
        attribute = ATTRIBUTES[name]
        boxes.add_sample_field(
            f"{FIELD}.detections.{name}", attribute.field, subfield=attribute.items,
            info={"labelvet": OWNER},
        )  # fmt: skip
    one, other = suggested[FIELD].detections
    one.issue, one.suggested_label = "mislabeled", "bird"
    other.issue, other.suggested_box = "misplaced", [0.6, 0.2, 0.3, 0.4]
    waiting[FIELD].detections[0].issue = "mislabeled"
    waiting[FIELD].detections[0].suggested_label = "bird"
    suggested.save()
    waiting.save()
    before = labels_of(boxes)

    main(["send", boxes.name, "round_1", "--field", FIELD, "--backend", "labelstudio"])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "8 labels in 4 images sent to Label Studio as 'round_1', 3 of them as suggested."
    )
    assert labels_of(boxes) == before
    handover = read_handover(boxes, "round_1")
    assert {one.state for one in read_labels(boxes, handover)} == {"flagged"}

    tasks = Tasks(boxes, "round_1")
    regions = tasks.regions(suggested)
    assert regions[one.id]["value"]["rectanglelabels"] == ["bird"]
    assert regions[other.id]["value"]["x"] == pytest.approx(60)
    tasks.submit(suggested, regions)

    regions = tasks.regions(corrected)
    named, deleted = (label.id for label in corrected[FIELD].detections)
    regions[named]["value"]["rectanglelabels"] = ["dog"]
    drawn = {**regions.pop(deleted), "id": "aB3_dE-5fG"}
    drawn["value"] = {**drawn["value"], "x": 2.0, "y": 3.0, "rectanglelabels": ["bird"]}
    tasks.submit(corrected, {**regions, "drawn": drawn})

    regions = tasks.regions(moved)
    both, right = moved[FIELD].detections
    regions[both.id]["value"]["x"] = 20.0
    tasks.submit(moved, regions)
    both.label = "cow"
    moved.save()

    main(["bring-back", boxes.name, "round_1"])
    printed = capsys.readouterr().out
    assert (
        "'round_1' from Label Studio: 3 corrected, 1 found right, 1 added. 1 label was changed on "
        "both sides since: they stay as they are here. Not changed: 1 deleted there, "
        "2 not submitted yet." in printed
    )
    assert f"{both.id}: 'cow' at 0.100" in printed
    boxes.reload()
    one, other = suggested[FIELD].detections
    assert (one.label, one.label_before, one.tags) == ("bird", "cat", ["reviewed"])
    assert one.reviewed_by == user and one.reviewed_at is not None
    assert other.bounding_box == pytest.approx([0.6, 0.2, 0.3, 0.4])
    named, deleted, drawn = corrected[FIELD].detections
    assert named.label == "dog" and deleted.tags == ["needs-review"]
    assert (drawn.label, drawn.tags, drawn.reviewed_by) == ("bird", ["reviewed"], user)
    assert drawn.bounding_box == pytest.approx([0.02, 0.03, 0.3, 0.4])
    both, right = moved[FIELD].detections
    assert (both.label, both.tags) == ("cow", ["needs-review"]) and right.review == "right"
    assert {tuple(label.tags) for label in waiting[FIELD].detections} == {("needs-review",)}

    # the conflict and the deletion are what is left
    assert bring_back(boxes, "round_1").token is None
    done = bring_back(boxes, "round_1", remove=True, conflicts="theirs")
    assert (done.corrected, done.removed, done.added, done.conflicts) == (1, 1, 0, ())
    assert [label.id for label in boxes[corrected.id][f"{FIELD}_removed"].detections] == [
        deleted.id
    ]
    both, right = moved[FIELD].detections
    assert both.label == "cat" and both.bounding_box[0] == pytest.approx(0.2)
    # what was drawn is drawn otherwise, which is a correction of what was added
    drawn_again = {**tasks.regions(corrected), "drawn": {
        **tasks.regions(moved)[right.id], "id": "aB3_dE-5fG",
        "value": {"x": 2.0, "y": 3.0, "width": 30.0, "height": 45.0, "rectanglelabels": ["bird"]},
    }}  # fmt: skip
    drawn_again[named.id]["value"]["rectanglelabels"] = ["dog"]
    del drawn_again[deleted.id]
    tasks.submit(corrected, drawn_again)
    done = bring_back(boxes, "round_1")
    assert (done.corrected, done.added) == (1, 0)

    for change in list_changes(boxes):
        undo(boxes, change.token)
    before[2][0]["label"] = "cow"
    assert labels_of(boxes) == before
    assert not boxes.has_sample_field(f"{FIELD}_removed")
    # what was undone can be brought back again
    foo.get_operator("@labelvet/labelvet/bring_back")(boxes, "round_1")
    assert list_changes(boxes)[0].sentence.startswith("'round_1' from Label Studio: 3 corrected")


def test_more_images_than_the_server_takes_at_once(make_dataset, tmp_path, label_studio):
    dataset = make_dataset()
    for number in range(101):
        file = tmp_path / f"{number}.jpg"
        Image.new("RGB", (20, 20)).save(file)
        label = fo.Detection(label=f"class {number}", bounding_box=[0.1, 0.1, 0.5, 0.5])
        dataset.add_sample(fo.Sample(str(file), predictions=fo.Detections(detections=[label])))
    send = foo.get_operator("@labelvet/labelvet/send_for_correction")
    send(dataset, FIELD, "all_of_them", "labelstudio", flagged=False)
    assert dataset.list_annotation_runs() == ["all_of_them", "all_of_them_2"]
    last, tasks = dataset.last(), Tasks(dataset, "all_of_them_2")
    tasks.submit(last, tasks.regions(last))
    # of an image that is skipped nothing is said, whatever was before
    first, tasks = dataset.first(), Tasks(dataset, "all_of_them")
    path, settings = f"/api/projects/{tasks.project}", {"skip_queue": "IGNORE_SKIPPED"}
    tasks.client.make_request("PATCH", path, json=settings)
    tasks.submit(first, tasks.regions(first))
    tasks.submit(first, {}, skip=True)
    done = bring_back(dataset, "all_of_them", remove=True)
    assert (done.confirmed, done.removed, done.stay) == (1, 0, {"not submitted yet": 100})


def test_a_server_that_refuses_or_is_gone_is_told(boxes, label_studio):
    known = fo.annotation_config.backends["labelstudio"]
    for setting, value, said in (
        ("api_key", 40 * "f", "refuses the credentials"),
        ("url", "http://127.0.0.1:9", "does not answer"),
    ):
        right, known[setting] = known[setting], value
        with pytest.raises(ToolUnavailable, match=said):
            send_for_correction(boxes, FIELD, "lost", "labelstudio")
        known[setting] = right
        assert not boxes.list_annotation_runs()
    # with all of an image, what is approved goes along
    sample = boxes.first()
    one, other = sample[FIELD].detections
    one.tags, other.tags = ["approved"], []
    sample.save()
    sent = send_for_correction(boxes[1:], FIELD, "some", "labelstudio")
    assert (sent.handover.labels, sent.handover.images) == (6, 3)
    sent = send_for_correction(boxes, FIELD, "lost", "labelstudio", flagged=False)
    assert (sent.handover.labels, sent.left_out["stay here as they are approved"]) == (7, 1)
    boxes.delete_annotation_run("lost")
    sent = send_for_correction(
        boxes, FIELD, "lost", "labelstudio", flagged=False, whole_images=True
    )
    assert (sent.handover.labels, sent.handover.images) == (8, 4)
    tasks = Tasks(boxes, "lost")
    tasks.client.make_request("DELETE", f"/api/projects/{tasks.project}")
    with pytest.raises(ToolUnavailable, match="does not have what was sent"):
        bring_back(boxes, "lost")
