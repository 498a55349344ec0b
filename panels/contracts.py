"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "95437d7ac661c1b9",
    "AutoLabeling": "a0f03847c959d216",
    "Runs": "3c0b497c83ef58f6",
}
