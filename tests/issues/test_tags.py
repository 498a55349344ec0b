"""Images with several classes: those that were added and dropped are told from the others."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.core.errors import InvalidParameter
from labelvet.core.table import WHOLE_IMAGE, PatchTable
from labelvet.dataset.states import REJECTED_TAG
from labelvet.issues.embedding_evidence import find_neighbors
from labelvet.issues.find import find_label_issues
from labelvet.issues.kinds import BACKGROUND, DUPLICATE
from labelvet.issues.tag_clues import CLUES, TagClues, TaggedImages
from labelvet.issues.tag_fit import weigh_confidences
from labelvet.issues.tags import find_tag_suspects, has_tags
from labelvet.issues.writing import remove_label_issues
from scipy.sparse import csr_array
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score

N, K = 400, 6


def images(seed=0):
    """Images of one to three of six classes, and what is said of them: 5% added, 5% dropped."""
    rng = np.random.default_rng(seed)
    has = np.zeros((N, K), dtype=bool)
    for _ in range(3):
        has[np.arange(N), rng.integers(K, size=N)] = True
    vectors = (has @ (3 * np.eye(K, 24)) + 0.6 * rng.normal(size=(N, 24))).astype("f4")
    said, count = has.copy(), round(0.05 * has.sum())
    several = np.flatnonzero(has & (has.sum(axis=1) > 1)[:, None])
    said.flat[rng.choice(several, count, replace=False)] = False
    said.flat[rng.choice(np.flatnonzero(~has), count, replace=False)] = True
    said[~said.any(axis=1)] = has[~said.any(axis=1)]
    return has, said, vectors


def table_of(said, vectors):
    of, codes = np.nonzero(said)
    ids = np.array([f"{row:024x}" for row in range(len(of))])
    table = PatchTable(
        patches_field="tags",
        sample_ids=np.array([f"{image:024x}" for image in of]),
        label_ids=ids,
        media=of.astype(np.int32),
        filepaths=np.array([f"{image}.jpg" for image in range(len(said))], dtype=object),
        boxes=np.tile(np.array(WHOLE_IMAGE), (len(of), 1)),
        codes=codes.astype(np.int32),
        classes=np.array([f"c{code}" for code in range(said.shape[1])], dtype=object),
        confidences=np.full(len(of), np.nan, dtype=np.float32),
    )
    return table, vectors[of]


def missed_cells(found):
    return {(int(one.sample_id, 16), int(one.label[1:])) for one in found.missed}


def test_added_and_dropped_classes_are_found():
    has, said, vectors = images()
    table, spread = table_of(said, vectors)
    assert has_tags(table) and not has_tags(
        table.take(np.unique(table.media, return_index=True)[1])
    )
    found = find_tag_suspects(table, spread)
    added, spurious = ~has[said], found.found.probability(BACKGROUND)
    assert average_precision_score(added, spurious) > 0.95
    assert added[spurious >= 0.5].mean() > 0.8 and (spurious >= 0.5)[added].mean() > 0.8
    dropped = set(zip(*(axis.tolist() for axis in np.nonzero(has & ~said)), strict=True))
    right = missed_cells(found) & dropped
    assert len(right) > 0.8 * len(dropped) and len(right) > 0.8 * len(found.missed)
    assert found.found.certain and not found.found.notes
    assert np.isnan(found.found.mislabeled).all() and np.isnan(found.found.missed).all()

    order = np.random.default_rng(1).permutation(len(table))
    shuffled = find_tag_suspects(table.take(order), spread[order])
    np.testing.assert_allclose(shuffled.found.kinds, found.found.kinds[order], atol=1e-4)
    assert missed_cells(shuffled) == missed_cells(found)
    row = int(spurious.argmax())
    place = int(np.flatnonzero(order == row)[0])
    assert shuffled.reasons.reason(place) == found.reasons.reason(row)
    assert order[shuffled.reasons.evidence(place)].tolist() == found.reasons.evidence(row).tolist()


@pytest.mark.parametrize("soft", [False, True])
def test_no_clue_of_a_class_knows_what_was_said_of_it(soft):
    _, said, vectors = images()
    rng = np.random.default_rng(0)
    tags = csr_array(said * (rng.random(said.shape) if soft else 1.0), dtype=np.float32)
    images_of = TaggedImages(tags, vectors, *find_neighbors(vectors))

    def clues(values):
        given = csr_array(values, dtype=np.float32)
        return np.concatenate(list(TagClues(images_of, given).blocks(np.arange(N))), axis=1)

    before, changed = clues(tags.toarray()), tags.toarray()
    assert before.shape == (len(CLUES), N, K)
    changed[7, 2] = 1 - changed[7, 2]
    after = clues(changed)
    np.testing.assert_allclose(after[:, 7, 2], before[:, 7, 2], atol=2e-3)
    assert np.abs(after - before).max() > 0.01


def test_a_class_twice_one_that_was_rejected_and_one_without_a_name():
    _, said, vectors = images()
    table, spread = table_of(said, vectors)
    of_image = np.flatnonzero(table.media == table.media[0])
    twice = table.take(np.append(np.arange(len(table)), 0))
    twice.label_ids[-1] = 24 * "f"
    spread = np.append(spread, spread[:1], axis=0)
    found = find_tag_suspects(twice, spread)
    assert found.found.likeliest[-1] == DUPLICATE and found.found.original[-1] == 0
    assert found.reasons.reason(len(table)).endswith("more than once.")
    assert found.reasons.evidence(len(table)).tolist() == [0]
    assert found.found.likeliest[0] != DUPLICATE
    # the one that was rejected is the other's duplicate, whichever came first
    rejected = np.arange(len(twice)) == 0
    again = find_tag_suspects(twice, spread, rejected).found
    assert (again.original[0], again.original[-1]) == (len(table), -1)

    # a class that was rejected is none that is missed
    right = np.flatnonzero(find_tag_suspects(table, spread[:-1]).found.suspicion < 0.01)[0]
    rejected = np.arange(len(table)) == right
    found = find_tag_suspects(table, spread[:-1], rejected)
    assert (int(table.media[right]), int(table.codes[right])) not in missed_cells(found)
    codes = table.codes.copy()
    codes[of_image[0]] = -1
    unnamed = find_tag_suspects(replace(table, codes=codes), spread[:-1]).found
    assert unnamed.suspicion[of_image[0]] == 0
    assert unnamed.notes == ["1 label has no class, which cannot be checked."]


def test_too_few_images_are_not_judged():
    _, said, vectors = images()
    table, spread = table_of(said[:2], vectors)
    found = find_tag_suspects(table, spread)
    assert found.found.notes == ["There are too few images to compare."] and not found.missed
    assert (found.found.suspicion == 0).all()


def test_a_low_confidence_counts_as_far_as_it_tells():
    rng = np.random.default_rng(0)
    wrong = rng.random(2000) < 0.1
    look, sure = np.where(wrong, 1, -1) + rng.normal(size=(2, 2000))
    guess = expit(2 * look + logit(0.1)).astype("f4")  # what is right to think of either
    told = weigh_confidences(guess, expit(-sure))
    best = expit(2 * look + 2 * sure + logit(0.1))
    assert np.abs(told - best).mean() < 0.02
    assert average_precision_score(wrong, told) > average_precision_score(wrong, guess) + 0.1
    # no confidence, one for all, or one that says nothing
    for same in (np.full(2000, np.nan), np.full(2000, 0.5), rng.random(2000)):
        assert np.abs(weigh_confidences(guess, same) - guess).mean() < 0.02


@pytest.fixture
def tagged(make_dataset):
    """A dataset of images with several classes and a map, what they have, and what is said."""
    has, said, vectors = images()
    dataset = make_dataset()
    samples = []
    for number, (of_image, vector) in enumerate(zip(said, vectors, strict=True)):
        tags = [fo.Classification(label=f"c{code}") for code in np.flatnonzero(of_image)]
        for tag in tags:
            tag["vector"] = vector
        given = fo.Classifications(classifications=tags)
        samples.append(fo.Sample(f"/media/{number}.jpg", tags_of=given))
    dataset.add_samples(samples, dynamic=True)
    samples.clear()  # FiftyOne would load each anew with every reload of the dataset
    labelvet.compute_visualization(
        dataset, "tags_of", "map", embeddings="vector", method="pca", progress=False
    )
    return dataset, has, said


def test_what_is_missed_is_a_field_that_can_be_approved_and_removed(tagged):
    dataset, has, said = tagged
    dataset.add_sample(fo.Sample("/media/none.jpg", tags_of=fo.Classifications()))
    found = find_label_issues(dataset, "map")
    number = sum(found.missed_tags.values())
    assert found.checked == said.sum() and number > 20
    assert f"{number} classes of images are probably missed: 'tags_of_missed' has them." in (
        found.summary()
    )
    assert "1 image has no class in 'tags_of' and so no embedding" in found.summary()
    issues = dataset.values("tags_of.classifications.issue", unwind=True)
    assert issues.count("spurious") == found.counts["spurious"] > 20
    reasons = dataset.values("tags_of.classifications.issue_reason", unwind=True)
    reason = next(why for why, issue in zip(reasons, issues, strict=True) if issue == "spurious")
    assert " is probably not in the image: " in reason and "most similar images" in reason

    labels, sure, why = dataset.values(
        [
            f"tags_of_missed.classifications.{name}"
            for name in ("label", "confidence", "issue_reason")
        ]
    )
    pairs = {(row, int(one[1:])) for row, some in enumerate(labels) for one in some or ()}
    assert len(pairs) == number
    dropped = set(zip(*(axis.tolist() for axis in np.nonzero(has & ~said)), strict=True))
    assert len(pairs & dropped) > 0.8 * number
    assert all(some is None or min(some) >= 0.5 for some in sure)
    (_, first), *_ = sorted(
        (some[0], one[0]) for some, one in zip(labels, why, strict=True) if some
    )
    assert first.startswith("'c0' is probably in the image: ")

    # what a person rejected stays rejected, and does not come back beside that
    sample = dataset[f"/media/{min(pairs)[0]}.jpg"]
    sample.tags_of_missed.classifications[0].tags = [REJECTED_TAG]
    sample.save()
    refused = sample.tags_of_missed.classifications[0]
    assert sum(find_label_issues(dataset, "map").missed_tags.values()) == number - 1
    sample.reload()
    kept = [one for one in sample.tags_of_missed.classifications if one.label == refused.label]
    assert [(one.id, one.tags) for one in kept] == [(refused.id, [REJECTED_TAG])]
    kept[0].tags = []
    sample.save()

    candidates = find_candidates(dataset, "tags_of_missed")
    add_labels(candidates, Selection())
    done = approve(candidates, "tags_of")
    assert done.approved == number
    assert dataset.count("tags_of.classifications") == said.sum() + number
    # what was added is not on the map, and so not judged, but is missed no more
    again = find_label_issues(dataset, "map")
    left = sum(again.missed_tags.values())
    assert again.checked == said.sum() and left < 0.3 * number
    assert dataset.count("tags_of_missed.classifications") == left
    removed = remove_label_issues(dataset)
    assert "tags_of_missed" in removed and not dataset.has_field("tags_of_missed")
    assert dataset.get_field("tags_of.classifications.issue") is None
    assert not any("tags_of_missed" in document for document in dataset._sample_collection.find())


def test_a_field_of_that_name_is_left_alone_and_other_fields_are_not_asked(tagged):
    dataset, _, _ = tagged
    dataset.clone_sample_field("tags_of", "other")
    with pytest.raises(InvalidParameter, match="Images have several classes in 'tags_of'"):
        find_label_issues(dataset, "map", second_fields="other")
    dataset.add_sample_field("tags_of_missed", fo.StringField)
    with pytest.raises(InvalidParameter, match="'tags_of_missed' of its own"):
        find_label_issues(dataset, "map")
    assert dataset.get_field("tags_of.classifications.issue") is None
    remove_label_issues(dataset)
    assert dataset.has_field("tags_of_missed")
