"""The file format: the container, and how large a picture it may declare."""
