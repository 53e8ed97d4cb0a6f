"""Results: compact bundles in a tile package or a cache raster dataset, with their metadata."""
