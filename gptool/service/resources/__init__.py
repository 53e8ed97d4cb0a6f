"""What the service answers: a module for each kind of resource, and what they share."""
