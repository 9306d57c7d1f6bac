"""The screens, one file each: what is on it, and which keys it adds. None of them knows SQL."""
