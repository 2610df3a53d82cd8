"""Sample texts: titles, authors, failure messages and ordinary log lines."""
