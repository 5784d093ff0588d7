"""Programs that run in pods as they are: standard library only."""
