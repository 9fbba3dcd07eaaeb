"""Live sessions: bars ahead of a host's play head, in a timeline cache."""
