"""Training runs: what they keep in their folder, how they stop and go on, what they tell."""
