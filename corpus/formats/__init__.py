"""One format, or one app's formats, a module: its reader, and what its files begin like."""
