"""What can go wrong, each as one sentence that says what to do next.

The engine raises these; only the edges (operators, panels, the command line) turn them into what a
person reads.
"""


class LabelvetError(Exception):
    """Base class of every error that a user can act on; its text is one clear sentence."""


class InvalidParameter(LabelvetError, ValueError):
    """A parameter has a value that cannot work."""


class UnknownField(LabelvetError, ValueError):
    """A field does not exist, or holds no labels with boxes."""


class FieldGone(LabelvetError, ValueError):
    """A field was renamed or deleted while it is written to, or before that is undone."""


class NoPatches(LabelvetError, ValueError):
    """There is nothing to embed."""


class UnknownRun(LabelvetError, LookupError):
    """A brain run does not exist, or has nothing to show."""


class StaleRun(LabelvetError, LookupError):
    """A brain run was replaced or deleted since it was opened."""


class OtherDataset(LabelvetError):
    """A page in the browser asked about another dataset than the App's server was given."""

    def __init__(self) -> None:
        super().__init__("The App shows another dataset now, so nothing was done.")


class OtherVersion(LabelvetError):
    """A page in the browser and the App's server do not have the same version of labelvet."""

    def __init__(self) -> None:
        super().__init__(
            "This page and the App's server have different versions of labelvet: reload the page, "
            "and if that does not help, restart the App."
        )


class UnknownUndo(LabelvetError, LookupError):
    """There is no such change to take back, or it was taken back before."""


class BrainKeyInUse(LabelvetError, ValueError):
    """The brain key belongs to another run."""


class ModelUnavailable(LabelvetError, RuntimeError):
    """A backbone or its weights cannot be had on this machine."""


class DatasetDeleted(LabelvetError, RuntimeError):
    """The dataset disappeared while the run was going on."""


class StoreFull(LabelvetError, OSError):
    """The disk that embeddings are kept on has no room left."""


class NeighborsUnavailable(LabelvetError, RuntimeError):
    """The search for neighbors did not come to its end."""


class ClusterUnavailable(LabelvetError, RuntimeError):
    """A compute cluster cannot be reached, or loses what it is given."""


class TakenOver(LabelvetError, RuntimeError):
    """A process did not go on for so long that another one may do what it did."""


class InUse(LabelvetError, RuntimeError):
    """Another process holds the folder that is asked for."""


class BadDataset(LabelvetError, ValueError):
    """Files of labels cannot be read as a dataset; its text has a sentence for each fault."""


class UnsupportedFiftyOne(LabelvetError, ImportError):
    """FiftyOne is missing, or of a version that labelvet does not run with."""


class ToolUnavailable(LabelvetError, RuntimeError):
    """An annotation tool is not set up, or its server does not answer or refuses."""


class NotInstalled(LabelvetError, RuntimeError):
    """The plugin cannot be put into FiftyOne's plugins folder, or taken out of it."""


class Cancelled(LabelvetError):
    """The run was cancelled by the user; its text says what was kept."""
