"""What tests share: caches made in code, independent readers, stand-ins and clients."""
