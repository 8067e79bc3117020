"""Latents of whole photographs, kept in files: what a decoder alone is trained on.

What a file decodes to does not depend on the decoder, so it is computed once. A step then reads
crops of it and runs nothing but the synthesis.
"""
