"""A panel's methods, called as the App's server calls them."""

import json

from fiftyone.operators.executor import ExecutionContext, Executor
from labelvet.panels.contracts import CONTRACTS


class PanelApp:
    """What a browser has: a dataset, a view, filters, and the methods of a panel."""

    panel: type
    says_version = True

    def __init__(self, dataset, **request):
        self.dataset, self.request, self.triggered = dataset, request, {}

    def __call__(self, method, **params):
        if self.says_version:
            contract = CONTRACTS[self.panel.component]
            params = {"contract": contract, "dataset": self.dataset.name, **params}
        request = {"dataset_id": str(self.dataset._doc.id), "params": params, **self.request}
        context = ExecutionContext(json.loads(json.dumps(request)), executor=Executor())
        answer = json.loads(json.dumps(getattr(self.panel(), method)(context)))
        then = answer.pop("then", [])
        self.triggered = {one["operator_uri"].rsplit("/", 1)[-1]: one["params"] for one in then}
        return answer
