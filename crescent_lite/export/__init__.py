"""Exports for other tools: training examples, adapters and merged models. Reads the workspace, never changes it."""
