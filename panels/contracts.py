"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "3a26fc6bae62100f",
    "AutoLabeling": "5f6b9540736a76fa",
    "Runs": "593dc40a1f556aa2",
}
