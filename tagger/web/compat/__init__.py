"""What programs ask that were written for other services, in those services' words."""
