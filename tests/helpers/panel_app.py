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
            params = {"contract": CONTRACTS[self.panel.component], **params}
        request = {"dataset_id": str(self.dataset._doc.id), "params": params, **self.request}
        executor = Executor()
        context = ExecutionContext(json.loads(json.dumps(request)), executor=executor)
        answer = getattr(self.panel(), method)(context)
        self.triggered = {r.operator_uri.rsplit("/", 1)[-1]: r.params for r in executor._requests}
        return json.loads(json.dumps(answer))
