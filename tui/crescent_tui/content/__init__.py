"""Values as styled text, and pictures made of characters. Pure: no widget, no thread, no file."""
