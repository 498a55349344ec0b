"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "ac0592521b778508",
    "AutoLabeling": "a0f03847c959d216",
    "Runs": "3c0b497c83ef58f6",
}
