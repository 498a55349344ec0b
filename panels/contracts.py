"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "4ebd47a709a82701",
    "AutoLabeling": "460fa75f15f60b36",
    "Runs": "3c0b497c83ef58f6",
}
