"""The two ways from labels to a map: ``compute`` makes one, ``update`` brings it up to date."""
