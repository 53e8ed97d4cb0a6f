"""What people see of results: representations in notebooks, and progress."""
