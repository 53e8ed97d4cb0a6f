"""The jobs of a service: accepted, stored, queued and executed in worker processes."""
