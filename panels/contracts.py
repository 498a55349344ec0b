"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "6d5465b845ae5466",
    "AutoLabeling": "8a0341250b9a1531",
    "Runs": "3c0b497c83ef58f6",
}
