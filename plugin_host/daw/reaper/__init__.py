"""The ReaScript for REAPER: one file that REAPER runs with its own Python."""
