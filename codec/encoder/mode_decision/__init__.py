"""Which form each tile of a picture takes, and what is known of it before that."""
