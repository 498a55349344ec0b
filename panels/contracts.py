"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "4ffcfc2e4e2bc0d2",
    "AutoLabeling": "03726771d248625e",
    "Runs": "3c0b497c83ef58f6",
}
