"""Programs that were written for other services are answered here in those services' words."""
