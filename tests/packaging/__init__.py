"""What is built of the project, and what it is like once it is installed."""
