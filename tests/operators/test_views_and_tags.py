"""The operators about labels and tags: their forms, in the App and from Python."""

import asyncio

import fiftyone.operators as foo
import pytest
from fiftyone import ViewField as F
from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.core.errors import LabelvetError
from labelvet.dataset.tags import undo
from labelvet.operators import ExcludeTagged, FilterLabels, SaveTaggedView, TagLabels

URI = "@labelvet/labelvet/"
ROOT = "predictions.detections"


class Form:
    """What the App does with an operator: it asks for the form, then executes it."""

    def __init__(self, operator, dataset, **request):
        self.operator, self.dataset, self.request = operator, dataset, request

    def context(self, params):
        request = {"dataset_id": str(self.dataset._doc.id), "params": dict(params), **self.request}
        return ExecutionContext(request, executor=Executor(), operator_uri=self.operator.uri)

    def inputs(self, **params):
        return self.operator.resolve_input(self.context(params)).to_json()["type"]["properties"]

    def lines(self, **params):
        return [
            str(prop["view"]["label"])
            for name, prop in self.inputs(**params).items()
            if name in ("preview", "problem", "hint", "no_fields")
        ]

    def valid(self, **params):
        return not any(prop.get("invalid") for prop in self.inputs(**params).values())

    def execute(self, **params):
        context = self.context(params)
        result = self.operator.execute(context)
        triggered = {r.operator_uri.rsplit("/", 1)[-1] for r in context.executor._requests}
        return result, triggered


def test_all_are_registered_and_listed():
    for name in ("filter_labels", "tag_labels", "save_tagged_view", "exclude_tagged"):
        operator = foo.get_operator(URI + name)
        assert operator is not None and not operator.config.unlisted


def test_filter_labels(judged):
    form = Form(FilterLabels(), judged)
    assert form.inputs()["field"]["default"] == "predictions" and not form.valid()
    assert form.lines(min_confidence=0.5) == ["12 of 24 labels will be shown"]
    assert form.valid(min_confidence=0.5, classes=["cat"])
    assert not form.valid(classes=["horse"])
    assert "swap them" in form.lines(min_confidence=0.9, max_confidence=0.1)[0]
    result, triggered = form.execute(field="predictions", min_confidence=0.5, classes=["cat"])
    assert result["labels"] == 8 and triggered == {"set_view"}
    view = foo.get_operator(URI + "filter_labels")(judged, "predictions", max_confidence=0.25)
    assert max(view.values(f"{ROOT}.confidence", unwind=True)) == 0.25


def test_tag_save_and_exclude(judged):
    doubtful = judged.filter_labels(
        "predictions", (F("confidence") >= 0) & (F("confidence") < 0.25)
    )
    tagging = Form(TagLabels(), judged, view=doubtful._serialize())
    assert tagging.lines(tag="needs-review") == ["5 labels of 'predictions' will get the tag"]
    assert tagging.lines(target="samples", tag="x") == ["2 samples will get the tag"]
    assert not tagging.valid(tag="")
    result, triggered = tagging.execute(field="predictions", tag="needs-review")
    assert result["changed"] == 5 and triggered == {"reload_samples"}

    saving = Form(SaveTaggedView(), judged)
    assert saving.lines(tag="needs-review") == ["5 labels have the tag now"]
    result, triggered = saving.execute(field="predictions", tag="needs-review")
    assert judged.list_saved_views() == ["needs-review"] and triggered == {"reload_dataset"}

    excluding = Form(ExcludeTagged(), judged)
    assert excluding.lines(tag="needs-review")[0].startswith("5 of 24 labels")
    assert excluding.lines(level="images")[0].startswith("2 of 8 images")
    result, triggered = excluding.execute(field="predictions", tag="needs-review")
    assert triggered == {"set_view"}


def test_from_python(judged):
    tag_labels = foo.get_operator(URI + "tag_labels")
    done = tag_labels(judged.limit(1), "needs-review", field="predictions")
    assert done.changed == 3
    rest = foo.get_operator(URI + "exclude_tagged")(judged, "needs-review", "predictions")
    assert rest.count(ROOT) == 21
    saved = foo.get_operator(URI + "save_tagged_view")(judged, "needs-review", "predictions")
    assert judged.load_saved_view(saved.name).count(ROOT) == 3
    assert undo(judged, done.token).changed == 3
    with pytest.raises(LabelvetError, match="A tag is"):
        tag_labels(judged, "")


@pytest.mark.parametrize("operator", [FilterLabels, TagLabels, SaveTaggedView, ExcludeTagged])
def test_a_dataset_without_labels_says_so(operator, make_dataset):
    form = Form(operator(), make_dataset())
    assert form.lines() == ["This dataset has no labels: add a label field first"]
    assert not form.valid()


@pytest.mark.parametrize("operator", [FilterLabels, TagLabels, SaveTaggedView, ExcludeTagged])
def test_a_field_that_does_not_exist_is_no_choice(judged, operator):
    form = Form(operator(), judged)
    assert "preview" not in form.inputs(field="$where", tag="a")
    with pytest.raises((LabelvetError, ValueError)):
        form.execute(field="$where", tag="a", min_confidence=0.1)


def test_the_app_executes_them(judged):
    request = {
        "dataset_name": judged.name,
        "params": {"field": "predictions", "tag": "a", "target": "labels"},
    }
    from fiftyone.operators.executor import execute_or_delegate_operator

    result = asyncio.run(execute_or_delegate_operator(URI + "tag_labels", request))
    assert result.error is None and result.result["changed"] == 24
    assert result.validation_ctx is None or not result.validation_ctx.invalid
