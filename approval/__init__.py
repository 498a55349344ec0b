"""From reviewed labels to ground truth: candidates, basket, approval, finalizing, rounds, undo."""
