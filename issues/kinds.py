"""What can be wrong with a label, and how likely each is, given the evidence.

The kinds are TIDE's (Bolya et al., "TIDE: a general toolbox for identifying object detection
errors", 2020). Their probabilities are a multinomial logistic model of the evidence. Its weights
stand in ``kinds.json``, which ``python -m labelvet.bench.fit_kinds`` writes: one set for labels
with a confidence, one for these where other fields can be asked, and one for labels without a
confidence beside other fields. Where there is neither, only a wrong class and a duplicate can be
told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

RIGHT, WRONG_CLASS, BADLY_PLACED, BACKGROUND, DUPLICATE = range(5)
KINDS = ("right", "wrong class", "badly placed", "background", "duplicate")

_FILE = Path(__file__).with_name("kinds.json")


@dataclass(frozen=True, eq=False)
class KindModel:
    """A multinomial logistic regression.

    Attributes:
        evidence: names of the e columns that it looks at
        center, scale: (e,) what is taken off each, and what it is divided by then
        weights: (e + 1, 5) one column for each of ``KINDS``; the last row is the intercept
    """

    evidence: tuple[str, ...]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    def judge(self, evidence: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Returns the probability of each kind for n labels, (n, 5); rows add up to 1.

        Args:
            evidence: ``{name: (n,)}``, those that the model looks at among them
        """
        columns = np.column_stack([evidence[name] for name in self.evidence])
        scores = _inputs(columns, self.center, self.scale) @ self.weights
        return np.asarray(np.exp(log_softmax(scores, axis=1)))

    def to_json(self) -> dict[str, Any]:
        """Returns what :func:`kind_model` reads."""
        return {
            "evidence": list(self.evidence),
            "center": self.center.round(4).tolist(),
            "scale": self.scale.round(4).tolist(),
            "weights": {
                kind: column.round(4).tolist()
                for kind, column in zip(KINDS, self.weights.T, strict=True)
            },
        }


@cache
def kind_model(name: str) -> KindModel:
    """Returns the model ``alone``, ``seconded`` or ``annotated``."""
    kept = json.loads(_FILE.read_text())[name]
    return KindModel(
        tuple(kept["evidence"]),
        np.array(kept["center"]),
        np.array(kept["scale"]),
        np.array([kept["weights"][kind] for kind in KINDS]).T,
    )


def fit_kinds(
    names: tuple[str, ...],
    evidence: NDArray[np.float64],
    kinds: NDArray[np.integer],
    importance: NDArray[np.float64],
    penalty: float = 10.0,
) -> KindModel:
    """Fits a model to n labels whose kinds are known.

    Args:
        names: of the e columns
        evidence: (n, e)
        kinds: (n,) indices into ``KINDS``
        importance: (n,) how much each label counts
        penalty: of the squared weights
    """
    center, scale = evidence.mean(axis=0), evidence.std(axis=0) + 1e-6
    inputs = _inputs(evidence, center, scale)
    shape = (inputs.shape[1], len(KINDS))
    penalties = np.append(np.full(shape[0] - 1, penalty), 0.0)[:, None]
    target = np.eye(len(KINDS))[kinds]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        logs = log_softmax(inputs @ weights, axis=1)
        value = -(importance * (logs * target).sum(axis=1)).sum()
        value += (penalties * weights**2).sum() / 2
        gradient = inputs.T @ (importance[:, None] * (np.exp(logs) - target))
        return float(value), (gradient + penalties * weights).ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B")
    return KindModel(names, center, scale, found.x.reshape(shape))


def _inputs(
    columns: NDArray[np.float64], center: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.column_stack([(columns - center) / scale, np.ones(len(columns))])
