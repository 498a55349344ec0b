"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "973c28c1ab78a75c",
    "AutoLabeling": "5118ace34a0f81f1",
    "Runs": "3c0b497c83ef58f6",
}
