"""Clients for DAWs, one folder each; see README.md. Nothing here imports anything of ours."""
