"""The insights: records, readers for the formats people keep them in, and the library on disk."""
