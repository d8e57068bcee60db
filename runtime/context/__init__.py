"""What the model sees: pure functions from a log to a prompt, without I/O."""
