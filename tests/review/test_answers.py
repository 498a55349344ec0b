import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer


@pytest.mark.parametrize("name", ["", "x" * 600, "a\nb"])
def test_a_class_that_the_dataset_has_can_be_answered_whatever_it_is_called(judged, name):
    sample = judged.first()
    odd, other = sample.predictions.detections[:2]
    with pytest.raises(InvalidParameter, match="Enter the class"):
        give_answers(
            judged,
            "predictions",
            [Answer(sample.id, other.id, other.label, "wrong class", name)],
            "me",
        )
    odd.label = name
    sample.save()
    done = give_answers(
        judged,
        "predictions",
        [
            Answer(sample.id, odd.id, name, "right"),
            Answer(sample.id, other.id, other.label, "wrong class", name),
        ],
        "me",
    )
    assert done.changed == 2
    judged.reload()
    assert [label.label for label in judged.first().predictions.detections[:2]] == [name, name]


@pytest.mark.parametrize("length", [200, 201])
def test_a_new_class_has_200_characters_at_most(judged, length):
    sample = judged.first()
    label = sample.predictions.detections[0]
    answer = Answer(sample.id, label.id, label.label, "wrong class", "x" * length)
    if length == 200:
        assert give_answers(judged, "predictions", [answer], "me").changed == 1
    else:
        with pytest.raises(InvalidParameter, match="Enter the class"):
            give_answers(judged, "predictions", [answer], "me")
