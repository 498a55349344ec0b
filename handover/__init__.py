"""Labels that are corrected in an annotation tool: what is sent there, and what comes back."""
