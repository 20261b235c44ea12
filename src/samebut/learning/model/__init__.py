"""A model: encoder, fusion and preprocessing, saved as a folder."""
