"""What a panel asks of a finished run: its points, columns, clusters, similar patches, crops."""
