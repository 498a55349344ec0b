"""Everything that knows FiftyOne's documents: patches, brain runs, tags, views, changes, undo."""
