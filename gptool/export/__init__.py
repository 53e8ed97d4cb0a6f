"""The operation: prepare, estimate and export."""
