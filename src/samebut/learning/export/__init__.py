"""A model as ONNX graphs that need no torch."""
