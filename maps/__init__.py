"""What a panel asks of a run: its points, columns, clusters, similar patches, search, crops."""
