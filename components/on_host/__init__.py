"""What runs on hosts: programs that are pushed to them, never imported by what runs here (but for their tests)."""
