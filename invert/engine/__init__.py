"""The loop: what is minimised, how, and when it ends. Knows no network and touches no disk."""
