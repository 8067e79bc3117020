"""What is minimised: rate, balanced distances, and a critic."""
