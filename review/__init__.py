"""The review: which label is asked about next, what was answered, what the answers teach."""
