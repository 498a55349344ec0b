"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "4ebd47a709a82701",
    "AutoLabeling": "18158d2b47c54e9c",
    "Runs": "3c0b497c83ef58f6",
}
