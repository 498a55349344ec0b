"""How many issues are left: the number and its interval speak of the same labels."""

from dataclasses import replace

import numpy as np
import pytest
from clusters import clusters
from labelvet.issues.kinds import DUPLICATE, RIGHT
from labelvet.issues.suspicion import find_suspects
from labelvet.review.learning import Estimate, learn


@pytest.mark.parametrize(
    "left, high, stop, sentence",
    [
        (1.2, 3.4, False, "About 1 issue is left (0 to 3), 1 of them among the next 50."),
        (0.2, 0.3, False, "About 0 issues are left, 0 of them among the next 50."),
        (
            1.2,
            90,
            False,
            "About 1 issue is left, 1 of them among the next 50. That is a rough guess until more "
            "labels have an answer.",
        ),
        (
            0.2,
            3.4,
            True,
            "About 0 issues are left (0 to 3), hardly any of them among the next 50 labels: you "
            "can stop here.",
        ),
    ],
)
def test_the_sentence(left, high, stop, sentence):
    assert Estimate(left, 0.2, high, left, stop, 100).sentence == sentence


def test_the_sentence_speaks_of_no_more_labels_than_are_left():
    few = Estimate(1.2, 0.2, 3.4, 1.2, False, 7)
    assert few.sentence.endswith("1 of them among the next 7.")
    assert "the next 1 label:" in Estimate(0.0, 0.0, 0.4, 0.0, True, 1).sentence
    none = Estimate(0.0, 0.0, 0.0, 0.0, True, 0)
    assert none.sentence == "No label is left to ask about."


@pytest.mark.parametrize("answers", [0, 10, 60])
@pytest.mark.parametrize("confidence", [True, False])
def test_duplicates_count_in_the_number_and_in_its_interval(confidence, answers):
    table, vectors, flipped, _ = clusters(300, confidence=confidence)
    doubled = np.arange(100, 120)
    rows = np.concatenate([np.arange(len(table)), doubled])
    more = table.take(rows)
    labels = np.array([f"{row:024x}" for row in range(len(rows))])
    found = find_suspects(replace(more, label_ids=labels), vectors[rows])
    repeated = found.likeliest == DUPLICATE
    assert repeated[300:].sum() + repeated[doubled].sum() >= 20

    wrong = np.append(flipped, np.ones(20, bool))
    asked = np.argsort(-found.suspicion, kind="stable")[:answers]
    learned = learn(found, asked, wrong[asked])
    estimate = learned.estimate
    if not answers:
        assert estimate.left == pytest.approx((1 - found.kinds[:, RIGHT]).sum(), rel=1e-3)
    # an end that was moved to the number, as the number is not between the ends, would equal it
    assert estimate.low < estimate.left < estimate.high
