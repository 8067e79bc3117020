"""PIM, trained on neighbouring video frames."""
