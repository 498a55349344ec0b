"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "c3193be877723ade",
    "AutoLabeling": "9f464067be6be508",
    "Runs": "3c0b497c83ef58f6",
}
