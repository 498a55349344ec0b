"""Written by ``make types``: the version of each panel's messages, by component."""

CONTRACTS = {
    "LabelEmbeddings": "fc849b62929a6868",
    "AutoLabeling": "4e65f7f038dbafa2",
    "Runs": "593dc40a1f556aa2",
}
