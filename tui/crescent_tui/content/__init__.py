"""Values as styled text, and plots drawn with characters. Pure: no widgets, threads or files."""
