"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "df6543fdc241cb4e",
    "AutoLabeling": "5f6b9540736a76fa",
    "Runs": "593dc40a1f556aa2",
}
