"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "4ebd47a709a82701",
    "AutoLabeling": "a0f03847c959d216",
    "Runs": "3c0b497c83ef58f6",
}
