"""Audio files and pictures at the edge: read, joined, edited, written whole or not at all."""
