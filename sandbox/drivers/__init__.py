"""What the services drive instead of hardware; each module is loaded inside the service that it is named after."""
