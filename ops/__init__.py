"""What `pulumi` has no verb for: the state bucket, filling a share, recovery after a kill, the smoke test."""
