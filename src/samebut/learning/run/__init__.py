"""A training run: its plan, its stages, its checkpoints."""
