"""Taking a database elsewhere: into a file, back from it, and into another database."""
