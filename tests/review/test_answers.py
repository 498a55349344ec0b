import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.review.answers import Answer, give_answers


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
