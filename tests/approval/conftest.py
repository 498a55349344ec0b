import pytest


@pytest.fixture
def predicted(make_dataset):
    """6 images of 4 predictions: two cats, two dogs. Those of odd images are of a run ``first``.

    The confidences are 0.00, 0.04, ... 0.92; boxes do not overlap.
    """
    import fiftyone as fo
    from alike import add_alike

    dataset = make_dataset()

    def sample(image):
        detections = [
            fo.Detection(
                label=("cat", "dog")[place % 2],
                bounding_box=[0.25 * place, 0.2, 0.2, 0.4],
                confidence=(image * 4 + place) / 25,
                **({"auto_label_run": "first"} if image % 2 else {}),
            )
            for place in range(4)
        ]
        return fo.Sample(f"/{image}.jpg", predictions=fo.Detections(detections=detections))

    add_alike(dataset, map(sample, range(6)))
    dataset.add_sample_field("predictions.detections.auto_label_run", fo.StringField)
    return dataset


@pytest.fixture
def labels_with(predicted):
    """A function that returns the numbers, 0 to 23, of the predictions with a tag."""

    def numbers(tag):
        path = "predictions.detections"
        pairs = zip(*predicted.values([f"{path}.confidence", f"{path}.tags"]), strict=True)
        return [
            round(25 * confidence)
            for of_image in pairs
            for confidence, tags in zip(*of_image, strict=True)
            if tag in tags
        ]

    return numbers
