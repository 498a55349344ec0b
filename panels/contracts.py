"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "973c28c1ab78a75c",
    "AutoLabeling": "c0b80bf6b05b4eec",
    "Runs": "3c0b497c83ef58f6",
}
