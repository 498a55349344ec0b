"""``labelvet boxes``, ``classes`` and ``merge``, called as their console script calls them."""

from __future__ import annotations

import pytest
from labelvet.cli import main


@pytest.fixture
def labelvet(capsys):
    """Calls a command and returns what it prints."""

    def call(*arguments):
        main(list(arguments))
        return capsys.readouterr().out

    return call


def test_a_target_is_begun_and_what_cannot_go_with_it_is_refused(flipped_labels, labelvet, capsys):
    dataset, _ = flipped_labels
    approve = ("approve", dataset.name, "--field", "labels", "--into", "truth")
    for arguments, said in (
        (("--target", "90"), "run Find label issues"),
        (("--target", "90", "--class", "c0"), "chooses the labels itself"),
        (("--per-class",), "give one, in percent"),
    ):
        with pytest.raises(SystemExit):
            labelvet(*approve, *arguments)
        assert said in capsys.readouterr().err
    labelvet("issues", dataset.name, "--brain-key", "map")
    with pytest.raises(SystemExit):
        labelvet(*approve, "--target", "100")
    assert "No sample can prove" in capsys.readouterr().err
    said = labelvet(*approve, "--target", "90", "--per-class")
    assert said.startswith("To prove which labels of each of 4 classes are at least 90% right")


def test_several_fields_come_on_one_map(compared, labelvet):
    fields = ("--field", "truth", "--field", "predictions")
    named = ("--set", "method=pca", "--set", "embeddings=vector")
    vectors = [
        [[float(at), 1.0] for at in range(len(ids))]
        for ids in compared.values("truth.detections.id")
    ]
    compared.set_values("truth.detections.vector", vectors, dynamic=True)
    compared.set_values("predictions.detections.vector", [[[0.0, 1.0]] * 3] * 8, dynamic=True)
    assert labelvet("compute", compared.name, "--brain-key", "cli", *fields, *named).startswith(
        "40 points under 'cli'"
    )


def test_labels_of_a_confidence_and_a_class_are_approved(judged, labelvet):
    approve = ("approve", judged.name, "--field", "predictions", "--into", "truth")
    labelvet(*approve, "--min-confidence", "0.2", "--max-confidence", "0.9", "--class", "cat")
    judged.reload()
    confidences = judged.values("truth.detections.confidence", unwind=True)
    assert judged.distinct("truth.detections.label") == ["cat"]
    assert len(confidences) > 5 and 0.2 <= min(confidences) <= max(confidences) <= 0.9


def test_boxes_are_checked_and_classes_compared_and_merged(judged, labelvet, capsys):
    sample = judged.first()
    sample.predictions.detections[0].label = "Cat"
    sample.predictions.detections[2].bounding_box = [0.9, 0.2, 0.4, 0.4]
    sample.save()
    printed = labelvet("boxes", judged.name, "--field", "predictions")
    assert "24 labels checked. Boxes: 1 outside." in printed
    printed = labelvet("classes", judged.name, "--brain-key", "ours")
    assert "spelled alike: 1 'Cat' and 15 'cat' of 'predictions' may be one class" in printed
    printed = labelvet("merge", judged.name, "Cat", "cat", "--field", "predictions")
    assert printed.startswith("1 label is now 'cat' instead of 'Cat'.")
    judged.reload()
    assert judged.count_values("predictions.detections.label") == {"cat": 16, "dog": 8}
    with pytest.raises(SystemExit):
        labelvet("merge", judged.name, "bird", "cat", "--field", "predictions")
    assert "no labels of the class 'bird'" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_delegated_operator_refuses_is_a_sentence(judged, labelvet, empty_queue, capsys):
    fields = ("--field", "predictions", "--delegate")
    for arguments, said in (
        (("compute", judged.name, "--brain-key", "ours", *fields), "'ours' is in use"),
        (("issues", judged.name, "--brain-key", "no", "--delegate"), "'no' cannot be chosen"),
        (("issues", judged.name, "--brain-key", "ours", "--delegate", "no"), "serves 'no'"),
    ):
        with pytest.raises(SystemExit):
            labelvet(*arguments)
        assert said in capsys.readouterr().err
    again = labelvet("compute", judged.name, "--brain-key", "ours", *fields, "--overwrite")
    assert again.startswith("Scheduled:")
    pca = ("--field", "predictions", "--set", "method=pca")
    labelvet("compute", judged.name, "--brain-key", "new", *pca)
    updated = labelvet("update", judged.name, "--brain-key", "new", "--delegate")
    assert "Nothing has changed" in updated


def test_no_label_is_tagged_by_a_mistake(judged, labelvet, capsys):
    tag = ("tag", judged.name, "odd", "--field", "predictions")
    with pytest.raises(SystemExit):
        labelvet(*tag, "--max-confidence", "25")
    assert "--max-confidence must be a number of at least 0" in capsys.readouterr().err
    assert labelvet(*tag, "--class", "dgo").startswith("Nothing changed: no label is among")
