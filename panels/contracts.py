"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "c3193be877723ade",
    "AutoLabeling": "a0f03847c959d216",
    "Runs": "3c0b497c83ef58f6",
}
