"""The jobs of a service: queued, worked on in processes of their own, stored, kept for a while."""
