"""The TouchOSC layout and what makes it."""
