"""Image files become pictures in RGB, unless they are damaged or of another kind."""
