"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "df6543fdc241cb4e",
    "AutoLabeling": "466ae4270cc804ba",
    "Runs": "c7c8fbd943f7ca90",
}
