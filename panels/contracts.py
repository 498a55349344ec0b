"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "43ab0fbeb43270b8",
    "AutoLabeling": "9f464067be6be508",
    "Runs": "3c0b497c83ef58f6",
}
