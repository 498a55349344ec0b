"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "1f2141531781d0a4",
    "AutoLabeling": "466ae4270cc804ba",
    "Runs": "c7c8fbd943f7ca90",
}
