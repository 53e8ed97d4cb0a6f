"""Sample compressions: tiles of a cache at several compression qualities, and the quality that they recommend."""
