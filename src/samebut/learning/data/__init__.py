"""What a stage learns from: pictures, texts, queries, and cached features."""
