"""Every distribution against its oracle."""
