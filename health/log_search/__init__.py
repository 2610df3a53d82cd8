"""Search over all stored logs: an index of trigrams, literal texts and regular expressions."""
