"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "5717b404e02017f6",
    "AutoLabeling": "2244bff3c21618a1",
    "Runs": "3c0b497c83ef58f6",
}
