"""The panels: each a folder with its Python half and the source of its web half. None yet."""
