"""``labelvet compute``, ``update``, ``issues``, ``boxes``, ``classes``, ``merge``, ``approve``,
``tag`` and ``report``: what the operators and panels do, for a dataset in FiftyOne."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from typing import Any

from labelvet.approval.rules import RULES

UNDO = (
    "To undo this, open What can be undone (the clock icon in Label embeddings or Auto Labeling)."
)


def add(commands: Any) -> None:
    """Adds the commands."""
    compute = add_command(
        commands,
        "compute",
        _compute,
        "embed the patches of a dataset and map them",
        "What 'Compute visualization' does.",
    )
    compute.add_argument(
        "--brain-key", required=True, metavar="KEY", help="the brain key of the new visualization"
    )
    compute.add_argument(
        "--field",
        action="append",
        help="the labels; whole images by default. Given again, another field on the same map",
    )
    compute.add_argument(
        "--overwrite", action="store_true", help="replace the visualization with that brain key"
    )
    compute.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the operator: --set method=pca --set seed=51",
    )
    update = add_command(
        commands,
        "update",
        _update,
        "update a map for new and deleted labels",
        "What 'Update visualization' does.",
    )
    _add_brain_key(update)
    issues = add_command(
        commands,
        "issues",
        _issues,
        "judge the labels of a map",
        "What 'Find label issues' does.",
    )
    _add_brain_key(issues)
    issues.add_argument(
        "--second",
        action="append",
        default=[],
        metavar="FIELD",
        help="another label field to compare with",
    )
    boxes = add_command(
        commands,
        "boxes",
        _boxes,
        "find slivers, tiny, nested and odd boxes, and masks with holes or islands",
        "What 'Check boxes' does: it needs no map.",
    )
    boxes.add_argument("--field", required=True, help="the labels")
    for parser in (compute, update, issues, boxes):
        parser.add_argument(
            "--delegate",
            nargs="?",
            const=True,
            metavar="NAME",
            help="schedule it for a worker, of this name if one is given, instead of running it",
        )
    classes = add_command(
        commands,
        "classes",
        _classes,
        "list the classes that are confused, and those that may be one",
        "What 'Confused classes' of the panel Label embeddings shows.",
    )
    _add_brain_key(classes)
    merge = add_command(
        commands,
        "merge",
        _merge,
        "rename all labels of a class to another class",
        "What 'Merge classes' does.",
    )
    merge.add_argument("--field", required=True, help="the labels")
    merge.add_argument("label", metavar="CLASS", help="the class to rename")
    merge.add_argument("into", metavar="INTO", help="the class to rename it to")
    approve = add_command(
        commands,
        "approve",
        _approve,
        "copy labels into ground truth",
        "What 'Approve labels' does: flagged and rejected labels stay out.",
    )
    approve.add_argument("--field", required=True, help="the labels")
    approve.add_argument("--into", required=True, metavar="FIELD", help="the ground truth")
    approve.add_argument(
        "--rule",
        default="keep",
        choices=tuple(RULES),
        help="what to do if an object already exists in the ground truth; keep by default",
    )
    approve.add_argument(
        "--target",
        type=float,
        metavar="PERCENT",
        help="approve the largest set that answers prove to be so many percent right",
    )
    approve.add_argument(
        "--confidence", type=float, default=95.0, metavar="PERCENT", help="of that proof; 95"
    )
    approve.add_argument(
        "--per-class", action="store_true", help="each class is to meet the target by itself"
    )
    tag = add_command(
        commands, "tag", _tag, "tag labels or samples", "What 'Tag labels or samples' does."
    )
    tag.add_argument("tag", metavar="TAG")
    tag.add_argument("--field", help="the labels; the samples by default")
    tag.add_argument("--remove", action="store_true", help="remove the tag instead")
    for parser in (approve, tag):
        parser.add_argument("--min-confidence", type=float, metavar="N")
        parser.add_argument("--max-confidence", type=float, metavar="N")
        parser.add_argument("--class", action="append", dest="classes", metavar="NAME")
    report = add_command(
        commands,
        "report",
        _report,
        "write a report on the labels of a visualization, as HTML and JSON",
        "What 'Label report' does.",
    )
    report.add_argument("file", metavar="FILE", help="the page, which ends in .html")
    _add_brain_key(report)
    report.add_argument("--overwrite", action="store_true", help="replace files that exist")


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    description: str,
) -> argparse.ArgumentParser:
    """Adds a command for a dataset in FiftyOne."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"For a dataset in FiftyOne: {summary}. {description}"
    )
    parser.add_argument("dataset", metavar="DATASET", help="its name in FiftyOne")
    if name not in ("update", "boxes", "classes", "merge", "report", "bring-back"):
        parser.add_argument("--view", metavar="NAME", help="a saved view of it; all by default")
    parser.set_defaults(run=run, view=None)
    return parser


def _report(arguments: argparse.Namespace) -> None:
    from labelvet.proof.report import write_report

    dataset = chosen_samples(arguments)
    for path in write_report(dataset, arguments.brain_key, arguments.file, arguments.overwrite):
        print(path)


def _compute(arguments: argparse.Namespace) -> None:
    parameters = dict(map(_parameter, arguments.set))
    samples = chosen_samples(arguments)
    first, *others = arguments.field or [None]
    if arguments.delegate:
        _delegate(
            arguments,
            "compute_visualization",
            samples,
            brain_key=arguments.brain_key,
            patches_field=first,
            other_fields=others,
            overwrite_brain_key=arguments.overwrite,
            **parameters,
        )
        return
    from labelvet.core.errors import InvalidParameter
    from labelvet.visualization.compute import compute_visualization

    try:
        run = compute_visualization(
            samples,
            arguments.field,
            arguments.brain_key,
            overwrite=arguments.overwrite,
            progress=True,
            **parameters,
        )
    except TypeError as error:  # a parameter that the function does not have
        raise InvalidParameter(f"{error}: --set names a parameter of the operator.") from error
    print(run.summary())


def _update(arguments: argparse.Namespace) -> None:
    samples = chosen_samples(arguments)
    from labelvet.visualization.update import recent_changes, update_visualization

    # what needs no update is told at once
    if arguments.delegate and recent_changes(samples, arguments.brain_key):
        _delegate(arguments, "update_visualization", samples, brain_key=arguments.brain_key)
        return

    print(update_visualization(samples, arguments.brain_key, progress=True).summary())


def _issues(arguments: argparse.Namespace) -> None:
    samples = chosen_samples(arguments)
    if arguments.delegate:
        _delegate(
            arguments,
            "find_label_issues",
            samples,
            brain_key=arguments.brain_key,
            second_fields=arguments.second,
        )
        return
    from labelvet.core.progress import terminal_report
    from labelvet.issues.find import find_label_issues

    with terminal_report() as report:
        found = find_label_issues(
            samples, arguments.brain_key, second_fields=arguments.second, progress=report
        )
    print(found.summary())


def _boxes(arguments: argparse.Namespace) -> None:
    samples = chosen_samples(arguments)
    if arguments.delegate:
        _delegate(arguments, "check_boxes", samples, field=arguments.field)
        return
    from labelvet.core.progress import terminal_report
    from labelvet.issues.box_checks import check_boxes

    with terminal_report() as report:
        found = check_boxes(samples, arguments.field, progress=report)
    print(found.summary())


def _classes(arguments: argparse.Namespace) -> None:
    from labelvet.review.class_pairs import find_class_pairs

    found = find_class_pairs(chosen_samples(arguments), arguments.brain_key)
    for pair in found.confused:
        print(f"{len(pair.rows):,} of {pair.of:,} '{pair.label}' look like '{pair.looks_like}'")
    if not found.confused:
        print("No label looks like another class.")
    for one in found.similar:
        print(
            f"{one.reason}: {one.labels:,} '{one.label}' and {one.into_labels:,} '{one.into}' of "
            f"'{one.field}' may be one class"
        )


def _merge(arguments: argparse.Namespace) -> None:
    from labelvet.review.merging import merge_classes

    done = merge_classes(
        chosen_samples(arguments), arguments.field, arguments.label, arguments.into
    )
    print(done.sentence)
    print(UNDO)


def _approve(arguments: argparse.Namespace) -> None:
    _check_confidences(arguments)
    if arguments.target is not None:
        print(_approve_to_target(arguments))
        return
    if arguments.per_class:
        from labelvet.core.errors import InvalidParameter

        raise InvalidParameter("--per-class is about a --target: give one, in percent.")
    done = _operator("approve_labels")(
        chosen_samples(arguments),
        arguments.field,
        arguments.into,
        min_confidence=arguments.min_confidence,
        max_confidence=arguments.max_confidence,
        classes=arguments.classes,
        rule=arguments.rule,
    )
    print(done.sentence)
    print(UNDO)


def _approve_to_target(arguments: argparse.Namespace) -> str:
    from labelvet.core.errors import InvalidParameter
    from labelvet.proof.proven_basket import approve_to_target

    bounds = (arguments.min_confidence, arguments.max_confidence)
    if arguments.view or arguments.classes or bounds != (None, None):
        raise InvalidParameter(
            "A target chooses the labels itself: leave out --view, --class and the confidences."
        )
    return approve_to_target(
        chosen_samples(arguments),
        arguments.field,
        arguments.into,
        arguments.rule,
        target=arguments.target / 100,
        confidence=arguments.confidence / 100,
        per_class=arguments.per_class,
    )


def _tag(arguments: argparse.Namespace) -> None:
    from labelvet.core.errors import InvalidParameter
    from labelvet.dataset.label_views import filter_labels
    from labelvet.dataset.tags import describe, tag_view

    _check_confidences(arguments)
    samples = chosen_samples(arguments)
    confidence = (arguments.min_confidence, arguments.max_confidence)
    if confidence != (None, None) or arguments.classes:
        if arguments.field is None:
            raise InvalidParameter("Samples have no confidence and no class: name a --field.")
        samples = filter_labels(samples, arguments.field, confidence, classes=arguments.classes)
    done = tag_view(samples, arguments.field, arguments.tag, arguments.remove)
    what = "sample" if arguments.field is None else "label"
    print(describe(done, arguments.tag, what, arguments.remove))
    if done.token is not None:
        print(UNDO)


def _check_confidences(arguments: argparse.Namespace) -> None:
    from labelvet.core.checks import check_number

    for name in ("min_confidence", "max_confidence"):
        if (value := getattr(arguments, name)) is not None:
            check_number(f"--{name.replace('_', '-')}", value, 0, 1)


def _add_brain_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--brain-key", required=True, metavar="KEY", help="the brain key of the visualization"
    )


def chosen_samples(arguments: argparse.Namespace) -> Any:
    """Returns the dataset, or its saved view, that a command was given.

    Raises:
        InvalidParameter: if there is none of that name
    """
    from labelvet.core.errors import InvalidParameter
    from labelvet.core.versions import check_fiftyone

    check_fiftyone()
    import fiftyone as fo

    if not fo.dataset_exists(arguments.dataset):
        raise InvalidParameter(f"There is no dataset '{arguments.dataset}'.")
    dataset = fo.load_dataset(arguments.dataset)
    if arguments.view is None:
        return dataset
    if not dataset.has_saved_view(arguments.view):
        raise InvalidParameter(f"'{arguments.dataset}' has no saved view '{arguments.view}'.")
    return dataset.load_saved_view(arguments.view)


def _operator(name: str) -> Any:
    import fiftyone.operators as foo
    from labelvet.core.errors import NotInstalled
    from labelvet.core.versions import PLUGIN_NAME, command

    uri = f"{PLUGIN_NAME}/{name}"
    if not foo.operator_exists(uri):
        raise NotInstalled(
            f"FiftyOne does not have the plugin: run '{command()} install', or "
            f"'{command()} doctor' to see why."
        )
    return foo.get_operator(uri)


def _delegate(arguments: argparse.Namespace, name: str, samples: Any, **parameters: Any) -> None:
    """Queues an operator as the App does.

    Raises:
        InvalidParameter: if no worker has that name, or the operator's form refuses a parameter
    """
    import fiftyone.operators as foo
    from fiftyone.operators.executor import ExecutionError
    from labelvet.core.errors import InvalidParameter
    from labelvet.workers.targets import list_targets

    operator = _operator(name)
    context = {"view": samples.view(), "request_delegation": True, "params": parameters}
    names = [target.name for target in list_targets()]
    if arguments.delegate is not True:
        if arguments.delegate not in names:
            raise InvalidParameter(
                f"No worker serves '{arguments.delegate}': start one with 'labelvet worker --name "
                f"{arguments.delegate}', or choose one of: {', '.join(names) or 'none'}."
            )
        context["delegation_target"] = arguments.delegate
    try:
        queued = foo.execute_operator(operator.uri, ctx=context)
    except ExecutionError as error:  # it names the parameter and says what the form says of it
        refused = re.search(r"Path: (\w+)\. Reason: (.+)", str(error), re.DOTALL)
        if refused is None:
            raise
        name, reason = refused.groups()
        if reason == "Invalid enum value":
            reason = f"'{parameters.get(name)}' cannot be chosen as {name} of this dataset."
        raise InvalidParameter(reason) from error
    id_ = queued.result["id"]
    where = "" if names else " No worker runs yet: 'labelvet worker --name NAME' starts one."
    print(f"Scheduled: 'labelvet runs show {id_}' says how far it is.{where}")


def _parameter(text: str) -> tuple[str, Any]:
    """Reads NAME=VALUE, where the value is JSON or else text."""
    from labelvet.core.errors import InvalidParameter

    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise InvalidParameter(f"--set is NAME=VALUE, such as method=pca, not '{text}'.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
