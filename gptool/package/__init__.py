"""What comes out: compact V2 bundles, laid into a tile package with its metadata and picture."""
