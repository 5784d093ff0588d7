"""What the notebook server is told on every platform: who may log in, and what a login may do."""
