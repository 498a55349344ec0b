"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "b25d1f8f2cf7ab56",
    "AutoLabeling": "2244bff3c21618a1",
    "Runs": "c7c8fbd943f7ca90",
}
