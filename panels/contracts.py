"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "99634ef4f9b0c604",
    "AutoLabeling": "9f464067be6be508",
    "Runs": "3c0b497c83ef58f6",
}
