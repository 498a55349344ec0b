"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "df6543fdc241cb4e",
    "AutoLabeling": "466ae4270cc804ba",
    "Runs": "af54918546ac54bd",
}
