"""The screens, one per file: the widgets of each and the keys it adds. None of them contains SQL."""
