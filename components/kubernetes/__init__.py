"""The platform `kubernetes`: a Magnum cluster and what runs on it."""
