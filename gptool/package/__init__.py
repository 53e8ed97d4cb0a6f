"""What comes out: compact bundles, V1 or V2, in a tile package or a cache raster dataset, and what it states."""
