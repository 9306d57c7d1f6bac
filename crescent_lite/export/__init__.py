"""What leaves the workspace for other tools: training examples, adapters, merged models. Changes nothing in it."""
