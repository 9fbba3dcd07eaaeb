"""The timeline cache: rendered bars in shared memory, addressed by project frame."""
