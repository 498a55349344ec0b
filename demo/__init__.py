"""A dataset to try labelvet on, and what it takes to show it: never imported by the rest."""
